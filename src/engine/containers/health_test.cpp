// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/health.h"

#include <gtest/gtest.h>

namespace berth::engine {
namespace {

using std::chrono::seconds;

HealthSettings settings(seconds start_period = seconds(0)) {
    return {.command = {"true"},
            .interval = seconds(30),
            .timeout = seconds(30),
            .start_period = start_period,
            .start_interval = seconds(5),
            .retries = 3};
}

HealthProbe result(int code) {
    return {.exit_code = code};
}

TEST(HealthTest, WhatIsExecuted) {
    spec::api::ContainerConfig config;
    EXPECT_FALSE(health_settings(config));
    config.Healthcheck.emplace();
    EXPECT_FALSE(health_settings(config)) << "no test";
    config.Healthcheck->Test = {"NONE"};
    EXPECT_FALSE(health_settings(config));
    config.Healthcheck->Test = {"CMD", "a", "b"};
    EXPECT_EQ(health_settings(config)->command, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(health_settings(config)->interval, seconds(30));
    EXPECT_EQ(health_settings(config)->retries, 3);
    config.Healthcheck->Test = {"CMD-SHELL", "a && b"};
    EXPECT_EQ(health_settings(config)->command, (std::vector<std::string>{"/bin/sh", "-c", "a && b"}));
    config.Shell = {"/bin/bash", "-ec"};
    EXPECT_EQ(health_settings(config)->command, (std::vector<std::string>{"/bin/bash", "-ec", "a && b"}));
}

TEST(HealthTest, SoManyFailuresInARow) {
    Health health{.status = HealthStatus::starting};
    apply_probe(health, settings(), result(1), seconds(1));
    apply_probe(health, settings(), result(1), seconds(2));
    EXPECT_EQ(health.status, HealthStatus::starting);
    apply_probe(health, settings(), result(0), seconds(3));
    EXPECT_EQ(health.status, HealthStatus::healthy);
    EXPECT_EQ(health.failing_streak, 0);
    for (int i = 0; i < 3; ++i) apply_probe(health, settings(), result(-1), seconds(4));
    EXPECT_EQ(health.status, HealthStatus::unhealthy);
    EXPECT_EQ(health.failing_streak, 3);
    EXPECT_EQ(health.log.size(), 5U);
}

TEST(HealthTest, TheStartPeriodForgives) {
    Health health{.status = HealthStatus::starting};
    for (int i = 0; i < 10; ++i) apply_probe(health, settings(seconds(60)), result(1), seconds(59));
    EXPECT_EQ(health.status, HealthStatus::starting);
    EXPECT_EQ(health.failing_streak, 0);
    apply_probe(health, settings(seconds(60)), result(0), seconds(5));
    for (int i = 0; i < 3; ++i) apply_probe(health, settings(seconds(60)), result(1), seconds(6));
    EXPECT_EQ(health.status, HealthStatus::unhealthy) << "once it was healthy, no more";
}

TEST(HealthTest, ProbesComeMoreOftenWhileItStarts) {
    Health health{.status = HealthStatus::starting};
    EXPECT_EQ(probe_delay(health, settings(), seconds(1)), seconds(30));
    EXPECT_EQ(probe_delay(health, settings(seconds(60)), seconds(1)), seconds(5));
    EXPECT_EQ(probe_delay(health, settings(seconds(60)), seconds(60)), seconds(30));
    health.status = HealthStatus::healthy;
    EXPECT_EQ(probe_delay(health, settings(seconds(60)), seconds(1)), seconds(30));
}

}  // namespace
}  // namespace berth::engine
