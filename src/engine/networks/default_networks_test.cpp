// SPDX-License-Identifier: Apache-2.0
#include "engine/networks/default_networks.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/networks/networks.h"

namespace berth::engine {
namespace {

net::Prefix prefix(std::string_view text) {
    return *net::Prefix::parse(text);
}

class DefaultBridgeTest : public testing::Test {
  protected:
    DefaultBridgeTest() {
        around.is_ours = true;
        around.pools = net::default_pools("a machine");
    }
    NetworkRecord make(const std::optional<NetworkRecord>& stored = {}) {
        return make_default_bridge(config, stored, around);
    }
    BridgeSetting& setting() { return config.network.bridge; }

    DaemonConfig config;
    BridgeSurroundings around;
};

TEST_F(DefaultBridgeTest, IsDockersUnlessItsSubnetIsTaken) {
    NetworkRecord record = make();
    EXPECT_EQ(record.name, "bridge");
    EXPECT_EQ(record.interface, "berth0");
    EXPECT_TRUE(record.is_builtin);
    EXPECT_FALSE(record.has_names());
    ASSERT_EQ(record.subnets.size(), 1U);
    EXPECT_EQ(record.subnets[0].subnet.text(), "172.17.0.0/16");
    EXPECT_EQ(record.subnets[0].gateway->text(), "172.17.0.1");
    EXPECT_EQ(record.options.at("com.docker.network.bridge.name"), "berth0");
    EXPECT_EQ(record.options.at("com.docker.network.bridge.default_bridge"), "true");
    EXPECT_EQ(record.options.at("com.docker.network.bridge.enable_icc"), "true");
    EXPECT_EQ(record.options.at("com.docker.network.bridge.enable_ip_masquerade"), "true");
    EXPECT_EQ(record.options.at("com.docker.network.bridge.host_binding_ipv4"), "0.0.0.0");
    EXPECT_EQ(record.options.at("com.docker.network.driver.mtu"), "1500");
    around.routes = {prefix("0.0.0.0/0"), prefix("172.17.3.0/24")};
    EXPECT_EQ(make().subnets[0].subnet.text(), "172.18.0.0/16");
}

TEST_F(DefaultBridgeTest, HasANameOfItsOwnBesideOthers) {
    config.exec_root = "/run/other";
    EXPECT_EQ(make().interface, "berth" + machine_tag(config));
    EXPECT_LE(make().interface.size(), 15U);
    setting().name = "mybr";
    EXPECT_EQ(make().interface, "mybr");
}

TEST_F(DefaultBridgeTest, KeepsWhatItWasGiven) {
    NetworkRecord first = make();
    around.routes = {prefix("172.17.0.0/16")};
    around.exists = true;
    NetworkRecord again = make(first);
    EXPECT_EQ(again.id, first.id);
    EXPECT_EQ(again.created_ns, first.created_ns);
    EXPECT_EQ(again.subnets[0].subnet, first.subnets[0].subnet);
    // After a boot, where something else has the subnet now.
    around.exists = false;
    EXPECT_EQ(make(first).subnets[0].subnet.text(), "172.18.0.0/16");
}

TEST_F(DefaultBridgeTest, FollowsTheFlags) {
    setting().address = "10.5.0.9/16";
    setting().fixed_cidr = "10.5.7.0/24";
    setting().gateway = "10.5.0.10";
    setting().inter_container = false;
    setting().mtu = 1400;
    config.network.ip_masq = false;
    setting().host_ip = "127.0.0.1";
    NetworkRecord record = make();
    EXPECT_EQ(record.subnets[0].subnet.text(), "10.5.0.0/16");
    EXPECT_EQ(record.subnets[0].gateway->text(), "10.5.0.9");
    EXPECT_EQ(record.subnets[0].range->text(), "10.5.7.0/24");
    EXPECT_EQ(record.subnets[0].auxiliary.at("DefaultGatewayIPv4").text(), "10.5.0.10");
    EXPECT_FALSE(record.inter_container());
    EXPECT_FALSE(record.masquerades());
    EXPECT_EQ(record.mtu(), 1400);
    EXPECT_EQ(record.host_binding(net::Family::v4)->text(), "127.0.0.1");
    // Without --bip again.
    setting() = {};
    EXPECT_EQ(make(record).subnets[0].subnet.text(), "172.17.0.0/16");
}

TEST_F(DefaultBridgeTest, HasIPv6WhereItIsAskedFor) {
    setting().ipv6 = true;
    NetworkRecord record = make();
    ASSERT_EQ(record.subnets.size(), 2U);
    EXPECT_TRUE(prefix("fd00::/8").contains(record.subnets[1].subnet));
    setting().fixed_cidr_v6 = "2001:db8::/64";
    record = make();
    EXPECT_EQ(record.subnets[1].subnet.text(), "2001:db8::/64");
    EXPECT_EQ(record.subnets[1].gateway->text(), "2001:db8::1");
    EXPECT_FALSE(record.subnets[1].range);
    setting().address_v6 = "2001:db8::9/48";
    record = make();
    EXPECT_EQ(record.subnets[1].gateway->text(), "2001:db8::9");
    EXPECT_EQ(record.subnets[1].range->text(), "2001:db8::/64");
}

TEST_F(DefaultBridgeTest, TakesTheSubnetOfTheUsersBridge) {
    setting().name = "lan0";
    around.exists = true;
    around.is_ours = false;
    around.addresses = {prefix("fe80::1/64"), prefix("192.0.2.1/24")};
    NetworkRecord record = make();
    EXPECT_FALSE(record.is_interface_ours);
    EXPECT_EQ(record.subnets[0].subnet.text(), "192.0.2.0/24");
    EXPECT_EQ(record.subnets[0].gateway->text(), "192.0.2.1");
}

TEST_F(DefaultBridgeTest, StaysWhereItIsWhileContainersUseIt) {
    NetworkRecord first = make();
    setting().address = "10.5.0.9/16";
    around.exists = around.has_ports = true;
    EXPECT_EQ(make(first).subnets[0].subnet.text(), "172.17.0.0/16");
    around.has_ports = false;
    EXPECT_EQ(make(first).subnets[0].subnet.text(), "10.5.0.0/16");
}

TEST_F(DefaultBridgeTest, RefusesFlagsThatCannotBe) {
    for (const char* bip : {"10.5.0.1", "10.5.0.0/16", "fd00::1/64", "x"}) {
        setting().address = bip;
        EXPECT_THROW(make(), Error) << bip;
    }
    setting().address = "10.5.0.1/16";
    setting().fixed_cidr = "10.6.0.0/24";
    EXPECT_THROW(make(), Error);
    setting().fixed_cidr.clear();
    setting().gateway = "10.6.0.1";
    EXPECT_THROW(make(), Error);
}

TEST(AddressPools, AreTheSettingsOrDockers) {
    DaemonConfig config;
    EXPECT_EQ(address_pools(config, "m").front().base.text(), "172.17.0.0/16");
    config.network.address_pools = {{.base = "10.10.0.0/16", .size = 24}};
    std::vector<net::PoolSetting> pools = address_pools(config, "m");
    ASSERT_EQ(pools.size(), 2U);
    EXPECT_EQ(pools[0].base.text(), "10.10.0.0/16");
    EXPECT_FALSE(pools[1].base.address.is_v4());
    config.network.address_pools = {{.base = "10.10.0.0/16", .size = 8}};
    EXPECT_THROW(address_pools(config, "m"), Error);
    config.network.address_pools = {{.base = "ten", .size = 24}};
    EXPECT_THROW(address_pools(config, "m"), Error);
}

}  // namespace
}  // namespace berth::engine
