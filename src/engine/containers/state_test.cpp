// SPDX-License-Identifier: Apache-2.0
// The record's form on disk, and the words for a state.
#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/containers/record.h"
#include "engine/containers/status_text.h"

namespace berth::engine {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

TEST(RecordTest, ComesBackAsItWas) {
    ContainerRecord record;
    record.id = std::string(64, 'a');
    record.name = "web";
    record.created_ns = 1'700'000'000'123'456'789;
    record.image = "busybox";
    record.image_id = "sha256:" + std::string(64, 'b');
    record.config.Env = {"A=1"};
    record.config.Cmd = {"sh", "-c", "echo \"ä\n\""};
    record.config.Healthcheck = spec::api::HealthConfig{.Test = {"NONE"}};
    record.host_config.Memory = 1 << 20;
    record.host_config.Init = true;
    record.host_config.RestartPolicy_.Name = "always";
    record.networking.EndpointsConfig["none"] = std::nullopt;
    record.path = "sh";
    record.args = {"-c"};
    MountPoint mount;
    mount.type = "volume";
    mount.name = "data";
    mount.destination = "/data";
    mount.rw = false;
    mount.copy_data = true;
    record.mounts = {mount};

    ContainerRecord back = decode_record(encode_record(record));
    EXPECT_EQ(encode_record(back), encode_record(record));
    EXPECT_EQ(back.id, record.id);
    EXPECT_EQ(back.created_ns, record.created_ns);
    EXPECT_EQ(back.config.Cmd, record.config.Cmd);
    EXPECT_EQ(back.host_config.Memory, 1 << 20);
    EXPECT_EQ(back.mounts.at(0).name, "data");
    EXPECT_FALSE(back.mounts.at(0).rw);
    EXPECT_TRUE(back.networking.EndpointsConfig.contains("none"));
}

TEST(RecordTest, OfANewerVersionIsRefused) {
    EXPECT_THROW(decode_record(R"({"version":3})"), Error);
}

TEST(RecordTest, TheFirstVersionsNetworkWentWithoutSaying) {
    auto networks = [](const std::string& mode, const std::string& configured) {
        std::string names;
        for (const auto& [name, settings] :
             decode_record(R"({"version":1,"host_config":{"NetworkMode":")" + mode + R"("},"networking":)" +
                           R"({"EndpointsConfig":)" + configured + "}}")
                 .networking.EndpointsConfig)
            names += name + " ";
        return names;
    };
    EXPECT_EQ(networks("bridge", "{}"), "bridge ");
    EXPECT_EQ(networks("default", R"({"default":null})"), "bridge ");
    EXPECT_EQ(networks("none", "{}"), "none ");
    EXPECT_EQ(networks("container:x", "{}"), "");
}

TEST(RecordTest, AStateComesBackAsItWas) {
    for (auto status : {ContainerStatus::created, ContainerStatus::running, ContainerStatus::paused,
                        ContainerStatus::restarting, ContainerStatus::removing, ContainerStatus::exited,
                        ContainerStatus::dead}) {
        ContainerState state;
        state.status = status;
        state.pid = 42;
        state.exit_code = 137;
        state.oom_killed = state.stopped_by_user = true;
        state.error = "why";
        state.started_ns = 5;
        state.finished_ns = 6;
        state.restart_count = 7;
        state.generation = 8;
        state.health.status = HealthStatus::unhealthy;
        state.health.failing_streak = 3;
        state.health.log = {{.start_ns = 1, .end_ns = 2, .exit_code = 1, .output = "no"}};
        ContainerState back = decode_state(encode_state(state));
        EXPECT_EQ(encode_state(back), encode_state(state));
        EXPECT_EQ(back.status, status);
        EXPECT_EQ(back.health.log.at(0).output, "no");
    }
}

TEST(RecordTest, BytesThatAreNoTextCanBeReadAgain) {
    ContainerState state;
    state.health.status = HealthStatus::unhealthy;
    state.health.log.push_back({.exit_code = 1, .output = "a\xff\xfe"});
    state.error = "opening \"/\xc3\"";
    ContainerState back = decode_state(encode_state(state));
    EXPECT_EQ(back.health.log.at(0).output, "a\xef\xbf\xbd\xef\xbf\xbd");
    EXPECT_EQ(back.error, "opening \"/\xef\xbf\xbd\"");
}

TEST(StatusTextTest, DurationsInDockersWords) {
    EXPECT_EQ(human_duration(-1), "Less than a second");
    EXPECT_EQ(human_duration(kSecond - 1), "Less than a second");
    EXPECT_EQ(human_duration(kSecond), "1 second");
    EXPECT_EQ(human_duration(59 * kSecond), "59 seconds");
    EXPECT_EQ(human_duration(60 * kSecond), "About a minute");
    EXPECT_EQ(human_duration(120 * kSecond), "2 minutes");
    EXPECT_EQ(human_duration(3599 * kSecond), "59 minutes");
    EXPECT_EQ(human_duration(3600 * kSecond), "About an hour");
    EXPECT_EQ(human_duration(5400 * kSecond), "2 hours");
    EXPECT_EQ(human_duration(47 * 3600 * kSecond), "47 hours");
    EXPECT_EQ(human_duration(48 * 3600 * kSecond), "2 days");
    EXPECT_EQ(human_duration(14 * 24 * 3600 * kSecond), "2 weeks");
    EXPECT_EQ(human_duration(60 * 24 * 3600 * kSecond), "2 months");
    EXPECT_EQ(human_duration(int64_t{800} * 24 * 3600 * kSecond), "2 years");
}

TEST(StatusTextTest, OfEachState) {
    ContainerState state;
    EXPECT_EQ(status_text(state, 0), "Created");
    state.started_ns = kSecond;
    state.finished_ns = 2 * kSecond;
    int64_t now = 242 * kSecond;
    state.status = ContainerStatus::running;
    EXPECT_EQ(status_text(state, now), "Up 4 minutes");
    state.health.status = HealthStatus::starting;
    EXPECT_EQ(status_text(state, now), "Up 4 minutes (health: starting)");
    state.health.status = HealthStatus::healthy;
    EXPECT_EQ(status_text(state, now), "Up 4 minutes (healthy)");
    state.status = ContainerStatus::paused;
    EXPECT_EQ(status_text(state, now), "Up 4 minutes (Paused)");
    state.exit_code = 3;
    state.status = ContainerStatus::restarting;
    EXPECT_EQ(status_text(state, now), "Restarting (3) 4 minutes ago");
    state.status = ContainerStatus::exited;
    EXPECT_EQ(status_text(state, now), "Exited (3) 4 minutes ago");
    state.status = ContainerStatus::removing;
    EXPECT_EQ(status_text(state, now), "Removal In Progress");
    state.status = ContainerStatus::dead;
    EXPECT_EQ(status_text(state, now), "Dead");
}

}  // namespace
}  // namespace berth::engine
