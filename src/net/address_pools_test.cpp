// SPDX-License-Identifier: Apache-2.0
#include "net/address_pools.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace berth::net {
namespace {

Prefix prefix(std::string_view text) {
    return *Prefix::parse(text);
}
IpAddress address(std::string_view text) {
    return *IpAddress::parse(text);
}

std::string choose(const std::vector<PoolSetting>& pools, const std::vector<Prefix>& taken,
                   const std::vector<Prefix>& routes = {}, Family family = Family::v4) {
    return choose_subnet(family, pools, taken, routes).text();
}

TEST(ChooseSubnet, FollowsDockersOrder) {
    std::vector<PoolSetting> pools = default_pools("a machine");
    EXPECT_EQ(choose(pools, {}), "172.17.0.0/16");
    EXPECT_EQ(choose(pools, {prefix("172.17.0.0/16")}), "172.18.0.0/16");
    EXPECT_EQ(choose(pools, {prefix("172.16.0.0/12")}), "192.168.0.0/20");
    EXPECT_EQ(choose(pools, {prefix("172.16.0.0/12"), prefix("192.168.0.0/24")}), "192.168.16.0/20");
}

TEST(ChooseSubnet, AvoidsTheHostsRoutesButNotTheDefaultOne) {
    std::vector<PoolSetting> pools = default_pools("a machine");
    EXPECT_EQ(choose(pools, {}, {prefix("0.0.0.0/0"), prefix("172.17.4.0/24")}), "172.18.0.0/16");
    EXPECT_EQ(choose(pools, {}, {prefix("172.16.0.0/14")}), "172.20.0.0/16");
}

TEST(ChooseSubnet, TakesAUniqueLocalSubnetOfTheMachine) {
    std::vector<PoolSetting> pools = default_pools("a machine");
    Prefix first = choose_subnet(Family::v6, pools, {}, {});
    EXPECT_EQ(first.length, 64u);
    EXPECT_TRUE(prefix("fd00::/8").contains(first));
    EXPECT_EQ(choose_subnet(Family::v6, default_pools("a machine"), {}, {}), first);
    EXPECT_NE(choose_subnet(Family::v6, default_pools("another"), {}, {}), first);
    Prefix second = choose_subnet(Family::v6, pools, {first}, {});
    EXPECT_FALSE(second.overlaps(first));
    EXPECT_EQ(second.length, 64u);
}

TEST(ChooseSubnet, PassesObstaclesOfAnySizeAtOnce) {
    std::vector<PoolSetting> pools = {{prefix("fd00::/8"), 64}};
    EXPECT_EQ(choose(pools, {prefix("fd00::/9")}, {}, Family::v6), "fd80::/64");
    EXPECT_EQ(choose({{prefix("10.0.0.0/8"), 24}}, {prefix("10.0.0.7/32"), prefix("10.0.1.0/30")}),
              "10.0.2.0/24");
}

TEST(ChooseSubnet, TellsWhatToDoWhenThePoolsAreUsedUp) {
    try {
        choose({{prefix("10.0.0.0/24"), 25}}, {prefix("10.0.0.0/25"), prefix("10.0.0.128/25")});
        FAIL() << "a subnet was found";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::unavailable);
        EXPECT_NE(std::string(error.what()).find("all predefined address pools have been fully subnetted"),
                  std::string::npos);
        EXPECT_NE(std::string(error.what()).find("--default-address-pool"), std::string::npos);
    }
}

TEST(ChooseSubnet, TakesTheWholeAddressSpacesLastSubnet) {
    EXPECT_EQ(choose({{prefix("255.255.255.0/24"), 25}}, {prefix("255.255.255.0/25")}), "255.255.255.128/25");
    EXPECT_THROW(choose({{prefix("255.255.255.128/25"), 25}}, {prefix("255.255.255.255/32")}), Error);
}

TEST(AddressPool, GivesTheNextOneAndComesBackLate) {
    AddressPool pool(prefix("10.0.0.0/29"), {});
    ASSERT_TRUE(pool.reserve(address("10.0.0.1")));
    EXPECT_EQ(pool.take({}, "n").text(), "10.0.0.2");
    EXPECT_EQ(pool.take({}, "n").text(), "10.0.0.3");
    pool.release(address("10.0.0.2"));
    EXPECT_EQ(pool.take({}, "n").text(), "10.0.0.4");
    EXPECT_EQ(pool.take({}, "n").text(), "10.0.0.5");
    EXPECT_EQ(pool.take({}, "n").text(), "10.0.0.6");
    EXPECT_EQ(pool.take({}, "n").text(), "10.0.0.2");
    EXPECT_EQ(pool.taken(), 6u);
    EXPECT_THROW(pool.take({}, "n"), Error);
}

TEST(AddressPool, NeverGivesTheNetworksOrTheBroadcastAddress) {
    AddressPool pool(prefix("10.0.0.0/30"), {});
    EXPECT_EQ(pool.take({}, "n").text(), "10.0.0.1");
    EXPECT_EQ(pool.take({}, "n").text(), "10.0.0.2");
    EXPECT_THROW(pool.take({}, "n"), Error);
    EXPECT_THROW(pool.take(address("10.0.0.3"), "n"), Error);
    pool.release(address("10.0.0.3"));
    EXPECT_THROW(pool.take({}, "n"), Error);

    AddressPool pair(prefix("10.0.0.0/31"), {});
    EXPECT_EQ(pair.take({}, "n").text(), "10.0.0.0");
    EXPECT_EQ(pair.take({}, "n").text(), "10.0.0.1");

    AddressPool six(prefix("fd00::/64"), {});
    EXPECT_EQ(six.take({}, "n").text(), "fd00::1");
    EXPECT_EQ(six.take(address("fd00::ffff:ffff:ffff:ffff"), "n").text(), "fd00::ffff:ffff:ffff:ffff");
}

TEST(AddressPool, KeepsToItsRangeUnlessAskedByName) {
    AddressPool pool(prefix("10.0.0.0/24"), prefix("10.0.0.64/30"));
    EXPECT_EQ(pool.take({}, "n").text(), "10.0.0.64");
    EXPECT_EQ(pool.take(address("10.0.0.9"), "n").text(), "10.0.0.9");
    for (int count = 0; count < 3; count++) pool.take({}, "n");
    try {
        pool.take({}, "lan");
        FAIL() << "the range was not full";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::unavailable);
        EXPECT_STREQ(error.what(), "no available IPv4 addresses on this network's address pools: lan");
    }
}

TEST(AddressPool, RefusesWhatIsTakenOrElsewhere) {
    AddressPool pool(prefix("10.0.0.0/24"), {});
    pool.take(address("10.0.0.9"), "n");
    try {
        pool.take(address("10.0.0.9"), "n");
        FAIL() << "given twice";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::forbidden);
        EXPECT_STREQ(error.what(), "Address already in use");
    }
    EXPECT_THROW(pool.take(address("10.0.1.9"), "n"), Error);
    EXPECT_FALSE(pool.reserve(address("10.0.0.9")));
    EXPECT_FALSE(pool.reserve(address("10.0.1.9")));
}

TEST(AddressPool, GoesRoundALargePoolWithoutAWalkThroughIt) {
    AddressPool pool(prefix("fd00::/64"), {});
    pool.take(address("fd00::ffff:ffff:ffff:fffe"), "n");
    for (int count = 0; count < 1000; count++) pool.take({}, "n");
    EXPECT_EQ(pool.take({}, "n").text(), "fd00::3e9");
}

}  // namespace
}  // namespace berth::net
