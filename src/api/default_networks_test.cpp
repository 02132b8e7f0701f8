// SPDX-License-Identifier: Apache-2.0
#include "api/default_networks.h"

#include <gtest/gtest.h>

namespace berth::api {
namespace {

TEST(DefaultNetworksTest, StayTheSameForOneDataRoot) {
    auto networks = default_networks("/tmp");
    ASSERT_EQ(networks.size(), 2U);
    EXPECT_EQ(networks[0].Name, "host");
    EXPECT_EQ(networks[1].Name, "none");
    EXPECT_EQ(networks[1].Driver, "null");
    EXPECT_EQ(networks[0].Id.size(), 64U);
    EXPECT_NE(networks[0].Id, networks[1].Id);
    EXPECT_EQ(default_networks("/tmp")[0].Id, networks[0].Id);
    EXPECT_NE(default_networks("/")[0].Id, networks[0].Id);
    EXPECT_EQ(default_networks("/tmp")[0].Created, networks[0].Created);
    EXPECT_NE(networks[0].Created, spec::api::kZeroTime);
    EXPECT_EQ(default_networks("/nowhere/at/all")[0].Created, spec::api::kZeroTime);
    EXPECT_EQ(endpoint_id(networks[0].Id, "a").size(), 64U);
    EXPECT_NE(endpoint_id(networks[0].Id, "a"), endpoint_id(networks[0].Id, "b"));
}

}  // namespace
}  // namespace berth::api
