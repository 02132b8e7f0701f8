// SPDX-License-Identifier: Apache-2.0
#include "api/event_filter.h"

#include <gtest/gtest.h>

namespace berth::api {
namespace {

using spec::api::Filters;

engine::Event start() {
    return {.type = "container",
            .action = "start",
            .id = "abcdef0123",
            .attributes = {{"image", "reg.example:5000/web:1"}, {"name", "front"}, {"tier", "web"}},
            .time_ns = 1'700'000'000'123'456'789};
}

engine::Event pull() {
    return {.type = "image",
            .action = "pull",
            .id = "busybox:1.36",
            .attributes = {{"name", "busybox"}},
            .time_ns = 1};
}

Filters filters(std::initializer_list<std::pair<std::string_view, std::string>> values) {
    Filters result;
    for (const auto& [name, value] : values) result.add(name, value);
    return result;
}

TEST(EventFilter, NoneLetsAllPass) {
    EXPECT_TRUE(passes({}, start()));
}

TEST(EventFilter, ByTypeActionAndScope) {
    EXPECT_TRUE(passes(filters({{"type", "container"}, {"event", "start"}}), start()));
    EXPECT_TRUE(passes(filters({{"event", "die"}, {"event", "start"}}), start()));
    EXPECT_FALSE(passes(filters({{"event", "die"}}), start()));
    EXPECT_FALSE(passes(filters({{"type", "image"}}), start()));
    EXPECT_TRUE(passes(filters({{"scope", "local"}}), start()));
    EXPECT_FALSE(passes(filters({{"scope", "swarm"}}), start()));
}

TEST(EventFilter, ActionsThatGoOnAfterAColon) {
    engine::Event exec = start();
    exec.action = "exec_start: ls -l";
    EXPECT_TRUE(passes(filters({{"event", "exec_start"}}), exec));
    EXPECT_FALSE(passes(filters({{"event", "exec_die"}}), exec));
}

TEST(EventFilter, ByActor) {
    EXPECT_TRUE(passes(filters({{"container", "abcdef"}}), start()));
    EXPECT_TRUE(passes(filters({{"container", "front"}}), start()));
    EXPECT_FALSE(passes(filters({{"container", "back"}}), start()));
    EXPECT_FALSE(passes(filters({{"container", "busybox"}}), pull()));
    EXPECT_FALSE(passes(filters({{"volume", "front"}}), start()));
}

TEST(EventFilter, ByImageWithAndWithoutTag) {
    EXPECT_TRUE(passes(filters({{"image", "reg.example:5000/web:1"}}), start()));
    EXPECT_TRUE(passes(filters({{"image", "reg.example:5000/web"}}), start()));
    EXPECT_FALSE(passes(filters({{"image", "web"}}), start()));
    EXPECT_TRUE(passes(filters({{"image", "busybox"}}), pull()));
    EXPECT_TRUE(passes(filters({{"image", "busybox:1.36"}}), pull()));
    EXPECT_FALSE(passes(filters({{"image", "alpine"}}), pull()));
}

TEST(EventFilter, ByLabelsAllOfThem) {
    EXPECT_TRUE(passes(filters({{"label", "tier=web"}}), start()));
    EXPECT_TRUE(passes(filters({{"label", "tier"}}), start()));
    EXPECT_FALSE(passes(filters({{"label", "tier=db"}}), start()));
    EXPECT_FALSE(passes(filters({{"label", "tier"}, {"label", "other"}}), start()));
}

TEST(EventMessage, HasTheOldFieldsToo) {
    auto message = event_message(start());
    EXPECT_EQ(message.status, "start");
    EXPECT_EQ(message.id, "abcdef0123");
    EXPECT_EQ(message.from, "reg.example:5000/web:1");
    EXPECT_EQ(message.time, 1'700'000'000);
    EXPECT_EQ(message.timeNano, 1'700'000'000'123'456'789);
    EXPECT_EQ(message.Actor.Attributes.at("tier"), "web");
    engine::Event volume{.type = "volume", .action = "create", .id = "v", .attributes = {}, .time_ns = 1};
    EXPECT_EQ(event_message(volume).status, "");
}

}  // namespace
}  // namespace berth::api
