// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/list_filters.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace berth::engine {
namespace {

class ListFiltersTest : public testing::Test {
  protected:
    ListFiltersTest() {
        record.id = "abc123";
        record.name = "web-1";
        record.created_ns = 100;
        record.image_id = "sha256:aa";
        record.config.Labels = {{"tier", "front"}, {"app", "shop"}};
        record.config.ExposedPorts["80/tcp"];
        record.host_config.NetworkMode = "none";
        record.networking.EndpointsConfig["none"];
        state.status = ContainerStatus::exited;
        state.started_ns = 1;
        state.exit_code = 3;
    }
    bool matches(const char* filters, bool all = true) {
        ListOptions options;
        options.all = all;
        options.filters = spec::api::Filters::parse(filters);
        return ListCriteria(options).matches(record, state);
    }
    ContainerRecord record;
    ContainerState state;
};

TEST_F(ListFiltersTest, OnlyRunningOnesUnlessAskedForMore) {
    EXPECT_FALSE(matches("", false));
    EXPECT_TRUE(matches("", true));
    EXPECT_TRUE(matches(R"({"status":["exited"]})", false)) << "a state asks for all";
    for (auto status : {ContainerStatus::running, ContainerStatus::paused, ContainerStatus::restarting}) {
        state.status = status;
        EXPECT_TRUE(matches("", false));
    }
    ListOptions last;
    last.limit = 1;
    state.status = ContainerStatus::exited;
    EXPECT_TRUE(ListCriteria(last).matches(record, state));
}

TEST_F(ListFiltersTest, EachKind) {
    EXPECT_TRUE(matches(R"({"name":["web"]})"));
    EXPECT_TRUE(matches(R"({"name":["^web-1$"]})"));
    EXPECT_TRUE(matches(R"({"name":["^/web"]})"));
    EXPECT_FALSE(matches(R"({"name":["^eb"]})"));
    EXPECT_TRUE(matches(R"({"name":["db","web"]})"));
    EXPECT_TRUE(matches(R"({"id":["abc"]})"));
    EXPECT_FALSE(matches(R"({"id":["xyz"]})"));
    EXPECT_TRUE(matches(R"({"label":["tier"]})"));
    EXPECT_TRUE(matches(R"({"label":["tier=front","app"]})"));
    EXPECT_FALSE(matches(R"({"label":["tier=front","none"]})"));
    EXPECT_TRUE(matches(R"({"exited":["3","4"]})"));
    EXPECT_FALSE(matches(R"({"exited":["0"]})"));
    EXPECT_TRUE(matches(R"({"status":["running","exited"]})"));
    EXPECT_FALSE(matches(R"({"status":["running"]})"));
    EXPECT_TRUE(matches(R"({"health":["none"]})"));
    EXPECT_FALSE(matches(R"({"health":["healthy"]})"));
    EXPECT_TRUE(matches(R"({"network":["none"]})"));
    EXPECT_FALSE(matches(R"({"network":["host"]})"));
    EXPECT_TRUE(matches(R"({"is-task":["false"]})"));
    EXPECT_FALSE(matches(R"({"is-task":["true"]})"));
    EXPECT_TRUE(matches(R"({"expose":["80"]})"));
    EXPECT_TRUE(matches(R"({"expose":["70-90/tcp"]})"));
    EXPECT_FALSE(matches(R"({"expose":["80/udp"]})"));
    EXPECT_FALSE(matches(R"({"publish":["80"]})"));
}

TEST_F(ListFiltersTest, VolumesByNameSourceAndDestination) {
    MountPoint volume, bind;
    volume.type = "volume";
    volume.name = "data";
    volume.source = "/roots/data";
    volume.destination = "/var/data";
    bind.type = "bind";
    bind.source = "/srv";
    bind.destination = "/mnt";
    record.mounts = {volume, bind};
    for (const char* yes : {"data", "/var/data", "/srv", "/mnt"})
        EXPECT_TRUE(matches(fmt::format(R"({{"volume":["{}"]}})", yes).c_str())) << yes;
    for (const char* no : {"dat", "/roots/data", "/var"})
        EXPECT_FALSE(matches(fmt::format(R"({{"volume":["{}"]}})", no).c_str())) << no;
}

TEST_F(ListFiltersTest, WhatWasNeverStartedHasNoExitCode) {
    state = {};
    EXPECT_FALSE(matches(R"({"exited":["0"]})"));
}

TEST_F(ListFiltersTest, WrongOnesAreRefused) {
    for (const char* wrong :
         {R"({"colour":["red"]})", R"({"status":["asleep"]})", R"({"exited":["x"]})", R"({"health":["ill"]})",
          R"({"is-task":["maybe"]})", R"({"publish":["x/tcp"]})"})
        EXPECT_THROW(matches(wrong), Error) << wrong;
}

TEST_F(ListFiltersTest, BeforeSinceAndAncestor) {
    ListOptions options;
    options.all = true;
    ListCriteria criteria(options);
    criteria.before_ns = 100;
    EXPECT_FALSE(criteria.matches(record, state));
    criteria.before_ns = 101;
    EXPECT_TRUE(criteria.matches(record, state));
    criteria.since_ns = 100;
    EXPECT_FALSE(criteria.matches(record, state));
    criteria.since_ns = 99;
    criteria.ancestors.emplace();
    EXPECT_FALSE(criteria.matches(record, state));
    criteria.ancestors->insert("sha256:aa");
    EXPECT_TRUE(criteria.matches(record, state));
}

}  // namespace
}  // namespace berth::engine
