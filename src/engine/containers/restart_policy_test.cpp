// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/restart_policy.h"

#include <gtest/gtest.h>

namespace berth::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

spec::api::RestartPolicy policy(std::string name, int maximum = 0) {
    return {.Name = std::move(name), .MaximumRetryCount = maximum};
}

TEST(RestartPolicyTest, AfterAnExit) {
    for (const char* none : {"", "no"}) EXPECT_FALSE(wants_restart(policy(none), 1, false, 0));
    for (const char* all : {"always", "unless-stopped"}) {
        EXPECT_TRUE(wants_restart(policy(all), 0, false, 1000));
        EXPECT_FALSE(wants_restart(policy(all), 0, true, 0)) << "a user's stop is heeded";
    }
    EXPECT_FALSE(wants_restart(policy("on-failure"), 0, false, 0));
    EXPECT_TRUE(wants_restart(policy("on-failure"), 1, false, 1000));
    EXPECT_TRUE(wants_restart(policy("on-failure", 3), 1, false, 2));
    EXPECT_FALSE(wants_restart(policy("on-failure", 3), 1, false, 3));
    EXPECT_FALSE(wants_restart(policy("on-failure"), 137, true, 0));
}

TEST(RestartPolicyTest, WithTheDaemon) {
    ContainerState state;
    EXPECT_FALSE(wants_start_with_daemon(policy("always"), state)) << "it was never started";
    state.started_ns = 1;
    EXPECT_TRUE(wants_start_with_daemon(policy("always"), state));
    EXPECT_TRUE(wants_start_with_daemon(policy("unless-stopped"), state));
    EXPECT_FALSE(wants_start_with_daemon(policy("no"), state));
    EXPECT_FALSE(wants_start_with_daemon(policy("on-failure"), state));
    state.stopped_by_user = true;
    EXPECT_TRUE(wants_start_with_daemon(policy("always"), state));
    EXPECT_FALSE(wants_start_with_daemon(policy("unless-stopped"), state));
}

TEST(RestartPolicyTest, BackoffDoublesUpToAMinuteAndBeginsAnewAfterTenSeconds) {
    RestartBackoff backoff;
    EXPECT_EQ(backoff.next(seconds(0)), milliseconds(100));
    EXPECT_EQ(backoff.next(seconds(1)), milliseconds(200));
    EXPECT_EQ(backoff.next(seconds(1)), milliseconds(400));
    for (int i = 0; i < 20; ++i) (void)backoff.next(seconds(0));
    EXPECT_EQ(backoff.next(seconds(10)), seconds(60));
    EXPECT_EQ(backoff.next(seconds(11)), milliseconds(100));
    backoff.reset();
    EXPECT_EQ(backoff.next(seconds(0)), milliseconds(100));
}

}  // namespace
}  // namespace berth::engine
