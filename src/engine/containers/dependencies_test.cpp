// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/dependencies.h"

#include <gtest/gtest.h>

namespace berth::engine {
namespace {

class DependenciesTest : public testing::Test {
  protected:
    ContainerRecord& add(const std::string& name) {
        ContainerRecord record;
        record.name = name;
        record.id = std::string(60, '0') + std::to_string(1000 + records.size());
        records.push_back(std::move(record));
        return records.back();
    }
    /// "a b, c": levels, by name.
    std::string levels() {
        std::vector<const ContainerRecord*> pointers;
        for (const ContainerRecord& record : records) pointers.push_back(&record);
        std::string text;
        for (const std::vector<size_t>& level : start_levels(pointers)) {
            if (!text.empty()) text += ", ";
            for (size_t i = 0; i < level.size(); ++i) text += (i == 0 ? "" : " ") + records[level[i]].name;
        }
        return text;
    }
    std::vector<ContainerRecord> records;
};

TEST_F(DependenciesTest, NothingToWaitForIsOneLevel) {
    EXPECT_EQ(levels(), "");
    add("a");
    add("b");
    EXPECT_EQ(levels(), "a b");
}

TEST_F(DependenciesTest, WhatContainersName) {
    add("joins").host_config.NetworkMode = "container:base";
    add("links").host_config.Links = {"/joins:alias"};
    add("mounts").host_config.VolumesFrom = {"base:ro"};
    add("base");
    add("outside").host_config.PidMode = "container:elsewhere";
    EXPECT_EQ(levels(), "base outside, joins mounts, links");
    records[0].host_config.NetworkMode = "container:" + records[3].id;
    EXPECT_EQ(levels(), "base outside, joins mounts, links");
}

TEST_F(DependenciesTest, ServicesOfTheSameProject) {
    auto service = [&](std::string project, std::string name, std::string needs) {
        add(project + "-" + name).config.Labels = {{"com.docker.compose.project", project},
                                                   {"com.docker.compose.service", name},
                                                   {"com.docker.compose.depends_on", needs}};
    };
    service("shop", "web", "api:service_started:false,cache:service_healthy:true");
    service("shop", "api", "db:service_healthy:true");
    service("shop", "db", "");
    service("shop", "cache", "");
    service("other", "db", "web:service_started:false");
    EXPECT_EQ(levels(), "shop-db shop-cache other-db, shop-api, shop-web");
}

TEST_F(DependenciesTest, ACircleEnds) {
    add("a").host_config.Links = {"b"};
    add("b").host_config.Links = {"a"};
    add("c").host_config.Links = {"a"};
    EXPECT_EQ(levels(), "a b c");
}

}  // namespace
}  // namespace berth::engine
