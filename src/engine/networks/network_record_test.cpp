// SPDX-License-Identifier: Apache-2.0
#include "engine/networks/network_record.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/networks/bridges.h"

namespace berth::engine {
namespace {

using net::Family;

net::Prefix prefix(std::string_view text) {
    return *net::Prefix::parse(text);
}
net::IpAddress address(std::string_view text) {
    return *net::IpAddress::parse(text);
}

NetworkRecord full_record() {
    NetworkRecord record;
    record.id = std::string(64, 'a');
    record.name = "lan";
    record.created_ns = 1'700'000'000'123'456'789;
    record.driver = "bridge";
    record.enable_v6 = true;
    record.is_internal = true;
    record.options = {{"com.docker.network.driver.mtu", "9000"}};
    record.labels = {{"a", "b"}};
    record.ipam_options = {{"x", "y"}};
    record.subnets.push_back({.subnet = prefix("10.1.0.0/16"),
                              .range = prefix("10.1.2.0/24"),
                              .gateway = address("10.1.0.9"),
                              .auxiliary = {{"router", address("10.1.0.8")}},
                              .is_configured = true});
    record.subnets.push_back({.subnet = prefix("fd00:1::/64")});
    record.interface = "br-aaaaaaaaaaaa";
    return record;
}

TEST(NetworkRecord, IsReadAsItWasWritten) {
    NetworkRecord record = full_record();
    NetworkRecord read = decode_network_record(encode_network_record(record));
    EXPECT_EQ(encode_network_record(read), encode_network_record(record));
    EXPECT_EQ(read.created_ns, record.created_ns);
    ASSERT_EQ(read.subnets.size(), 2U);
    EXPECT_EQ(read.subnets[0].range->text(), "10.1.2.0/24");
    EXPECT_EQ(read.subnets[0].auxiliary.at("router").text(), "10.1.0.8");
    EXPECT_TRUE(read.subnets[0].is_configured);
    EXPECT_FALSE(read.subnets[1].gateway);
    EXPECT_EQ(read.mtu(), 9000);
}

TEST(NetworkRecord, RefusesAnAddressThatIsNone) {
    std::string text = encode_network_record(full_record());
    text.replace(text.find("10.1.0.0/16"), 11, "10.1.0.0/99");
    EXPECT_THROW(decode_network_record(text), Error);
}

TEST(NetworkRecord, HasTheDaemonsDefaultsWhereNoOptionSaysMore) {
    NetworkRecord record;
    EXPECT_TRUE(record.inter_container());
    EXPECT_TRUE(record.masquerades());
    EXPECT_FALSE(record.inhibits_v4());
    EXPECT_EQ(record.mtu(), 0);
    EXPECT_EQ(record.interface_prefix(), "eth");
    EXPECT_EQ(record.gateway_mode(Family::v4), "nat");
    EXPECT_FALSE(record.host_binding(Family::v4));
    record.options = {{"com.docker.network.bridge.enable_icc", "false"},
                      {"com.docker.network.bridge.enable_ip_masquerade", "0"},
                      {"com.docker.network.container_iface_prefix", "lan"},
                      {"com.docker.network.bridge.gateway_mode_ipv6", "routed"},
                      {"com.docker.network.bridge.trusted_host_interfaces", "eth1:eth2"}};
    EXPECT_FALSE(record.inter_container());
    EXPECT_FALSE(record.masquerades());
    EXPECT_EQ(record.interface_prefix(), "lan");
    EXPECT_EQ(record.gateway_mode(Family::v6), "routed");
    EXPECT_EQ(record.gateway_mode(Family::v4), "nat");
    EXPECT_EQ(record.trusted_interfaces(), (std::vector<std::string>{"eth1", "eth2"}));
}

TEST(NetworkRecord, PublishesOnTheNamedFamilyAlone) {
    NetworkRecord record;
    record.default_binding_v4 = address("127.0.0.1");
    record.default_binding_v6 = address("::1");
    EXPECT_EQ(record.host_binding(Family::v4)->text(), "127.0.0.1");
    EXPECT_EQ(record.host_binding(Family::v6)->text(), "::1");
    record.options["com.docker.network.bridge.host_binding_ipv4"] = "0.0.0.0";
    EXPECT_EQ(record.host_binding(Family::v4)->text(), "127.0.0.1");
    record.options["com.docker.network.bridge.host_binding_ipv4"] = "192.0.2.1";
    EXPECT_EQ(record.host_binding(Family::v4)->text(), "192.0.2.1");
    EXPECT_FALSE(record.host_binding(Family::v6));
}

TEST(Bridges, HaveTheGatewaysAndTheServicesAddresses) {
    NetworkRecord record = full_record();
    record.subnets[1].gateway = address("fd00:1::1");
    net::BridgeSpec spec = bridge_spec(record, "berth-12345678", {address("10.1.2.3")});
    EXPECT_EQ(spec.name, "br-aaaaaaaaaaaa");
    EXPECT_EQ(spec.alias, "berth-12345678");
    EXPECT_EQ(spec.mtu, 9000);
    ASSERT_EQ(spec.addresses.size(), 3U);
    EXPECT_EQ(spec.addresses[0].text(), "10.1.0.9/16");
    EXPECT_EQ(spec.addresses[1].text(), "fd00:1::1/64");
    EXPECT_EQ(spec.addresses[2].text(), "10.1.2.3/32");
    record.options["com.docker.network.bridge.inhibit_ipv4"] = "true";
    record.is_interface_ours = false;
    spec = bridge_spec(record, "berth-12345678", {});
    EXPECT_EQ(spec.alias, "");
    ASSERT_EQ(spec.addresses.size(), 1U);
    EXPECT_EQ(spec.addresses[0].text(), "fd00:1::1/64");
}

TEST(Bridges, AreTranslatedUnlessTheyAreRoutedOrInternal) {
    DaemonConfig config;
    NetworkRecord record = full_record();
    record.is_internal = false;
    net::BridgeRules rules = bridge_rules(record, config);
    EXPECT_TRUE(rules.masquerade4);
    EXPECT_TRUE(rules.masquerade6);
    EXPECT_FALSE(rules.direct_routing);
    EXPECT_EQ(rules.subnets.size(), 2U);
    record.options["com.docker.network.bridge.gateway_mode_ipv6"] = "routed";
    rules = bridge_rules(record, config);
    EXPECT_TRUE(rules.masquerade4);
    EXPECT_FALSE(rules.masquerade6);
    EXPECT_TRUE(rules.direct_routing);
    EXPECT_FALSE(rules.unprotected);
    record.options["com.docker.network.bridge.gateway_mode_ipv4"] = "nat-unprotected";
    EXPECT_TRUE(bridge_rules(record, config).unprotected);
    record.is_internal = true;
    rules = bridge_rules(record, config);
    EXPECT_TRUE(rules.is_internal);
    EXPECT_FALSE(rules.masquerade4);
}

net::LinkInfo link(const std::string& name, const std::string& kind, const std::string& alias) {
    net::LinkInfo info;
    info.name = name;
    info.kind = kind;
    info.alias = alias;
    return info;
}

TEST(Bridges, AreKnownByTheirAlias) {
    std::vector<net::LinkInfo> links = {
        link("br-1", "bridge", "berth-11111111"), link("br-2", "bridge", "berth-11111111"),
        link("br-3", "bridge", "berth-22222222"), link("ve1", "veth", "berth-11111111"),
        link("eth0.7", "vlan", "berth-11111111"), link("eth0", "", "")};
    EXPECT_EQ(stray_devices(links, "berth-11111111", {"br-1"}), (std::vector<std::string>{"br-2", "eth0.7"}));
    EXPECT_EQ(owner_of_device(links, "br-1", "berth-11111111"), DeviceOwner::us);
    EXPECT_EQ(owner_of_device(links, "br-3", "berth-11111111"), DeviceOwner::another_daemon);
    EXPECT_EQ(owner_of_device(links, "eth0", "berth-11111111"), DeviceOwner::user);
    EXPECT_EQ(owner_of_device(links, "br-9", "berth-11111111"), DeviceOwner::nobody);
}

}  // namespace
}  // namespace berth::engine
