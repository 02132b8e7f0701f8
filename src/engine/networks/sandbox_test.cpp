// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/networks/sandbox.h"

namespace berth::engine {
namespace {

using net::IpAddress;
using net::Protocol;
using testing::ElementsAre;

IpAddress ip(const char* text) {
    return *IpAddress::parse(text);
}

struct SandboxTest : testing::Test {
    LiveSandbox sandbox;

    NetworkRecord& add(const std::string& name, const char* v4, const char* v6 = "",
                       bool is_internal = false) {
        auto network = std::make_shared<NetworkRecord>();
        network->id = network->name = name;
        network->driver = "bridge";
        network->is_internal = is_internal;
        LiveSandbox::Place place{.network = network};
        Endpoint endpoint{
            .network_id = name, .network_name = name, .driver = "bridge", .id = name + "-endpoint"};
        if (*v4 != 0) {
            place.lease.v4 = net::Prefix::parse(std::string(v4) + "/16");
            if (!is_internal) endpoint.gateway4 = "172.17.0.1";
        }
        if (*v6 != 0) {
            place.lease.v6 = net::Prefix::parse(std::string(v6) + "/64");
            if (!is_internal) endpoint.gateway6 = "fd00::1";
        }
        sandbox.places.push_back(place);
        sandbox.record_to_change().endpoints.push_back(endpoint);
        return *network;
    }
    void publish(const char* protocol, uint16_t port, const char* host, uint16_t host_port) {
        sandbox.record_to_change().ports.push_back(
            {.protocol = protocol, .container_port = port, .host_address = host, .host_port = host_port});
    }
    Endpoint& endpoint(size_t index) { return sandbox.record_to_change().endpoints[index]; }
};

TEST(SandboxPorts, AreReadAsPeopleWriteThem) {
    using Ports = std::vector<std::pair<Protocol, uint16_t>>;
    EXPECT_EQ(parse_ports("80"), (Ports{{Protocol::tcp, 80}}));
    EXPECT_EQ(parse_ports("53/udp"), (Ports{{Protocol::udp, 53}}));
    EXPECT_EQ(parse_ports("65534-65535/sctp"), (Ports{{Protocol::sctp, 65534}, {Protocol::sctp, 65535}}));
    for (const char* text : {"", "/tcp", "80/x", "a", "9-8", "80-", "65536"})
        EXPECT_TRUE(parse_ports(text).empty()) << text;
}

TEST(SandboxPorts, WhatIsExposedOrPublishedIsThereOnce) {
    ContainerRecord record;
    for (const char* port : {"80/tcp", "9000-9001/tcp", "53/udp"}) record.config.ExposedPorts[port];
    record.host_config.PortBindings.emplace();
    for (const char* port : {"80/tcp", "443/tcp"}) (*record.host_config.PortBindings)[port].emplace();
    EXPECT_THAT(
        exposed_ports(record),
        ElementsAre(std::pair(Protocol::udp, 53), std::pair(Protocol::tcp, 80), std::pair(Protocol::tcp, 443),
                    std::pair(Protocol::tcp, 9000), std::pair(Protocol::tcp, 9001)));
}

TEST(SandboxRecordText, ComesBack) {
    SandboxRecord record{.id = "s", .container_id = "c", .service = "p/web", .asks_us = true};
    record.endpoints.push_back(
        {.network_id = "n", .v4 = "172.17.0.2/16", .names = {"web"}, .gateway_priority = 3});
    record.ports.push_back(
        {.protocol = "udp", .container_port = 53, .host_address = "::", .host_port = 5353});
    SandboxRecord back = decode_sandbox_record(encode_sandbox_record(record));
    EXPECT_EQ(encode_sandbox_record(back), encode_sandbox_record(record));
    EXPECT_EQ(back.ports.at(0).host_port, 5353);
    EXPECT_THROW(decode_sandbox_record("{\"endpoints\":3}"), Error);
}

TEST_F(SandboxTest, TheDefaultRouteIsByPriorityThenBothFamiliesThenName) {
    add("b", "172.18.0.2");
    add("a", "172.19.0.2");
    EXPECT_EQ(choose_gateways(sandbox), (Gateways{.v4 = 1, .v6 = std::nullopt}));
    add("c", "172.20.0.2", "fd01::2");
    EXPECT_EQ(choose_gateways(sandbox), (Gateways{.v4 = 2, .v6 = 2}));
    endpoint(0).gateway_priority = 1;
    EXPECT_EQ(choose_gateways(sandbox), (Gateways{.v4 = 0, .v6 = 2}));
}

TEST_F(SandboxTest, InternalNetworksHaveNoWayOutAndNoPorts) {
    add("in", "172.18.0.2", "", true);
    publish("tcp", 80, "0.0.0.0", 8080);
    EXPECT_EQ(choose_gateways(sandbox), Gateways{});
    EXPECT_TRUE(port_rules(sandbox).empty());
}

TEST_F(SandboxTest, WithoutIpv6OfTheContainerTheHolderPassesItOnToTheHostsOwnPort) {
    add("bridge", "172.17.0.2");
    publish("tcp", 80, "0.0.0.0", 8080);
    publish("tcp", 80, "::", 8080);
    publish("udp", 53, "::", 5353);
    EXPECT_THAT(port_rules(sandbox), ElementsAre(net::PortRule{.protocol = Protocol::tcp,
                                                               .host_address = ip("0.0.0.0"),
                                                               .host_port = 8080,
                                                               .to = ip("172.17.0.2"),
                                                               .to_port = 80}));
    std::vector<net::HeldPort> held = held_ports(sandbox);
    ASSERT_EQ(held.size(), 3u);
    EXPECT_FALSE(held[0].target) << "the kernel leads it there";
    EXPECT_EQ(held[1].target, std::pair(ip("127.0.0.1"), uint16_t{8080}));
    EXPECT_EQ(held[2].target, std::pair(ip("172.17.0.2"), uint16_t{53})) << "no IPv4 port beside it";
    // Internal networks must not get out by them.
    std::string id = sandbox.record().container_id;
    net::FirewallChange rules = rules_of(sandbox);
    EXPECT_THAT(rules.spliced, ElementsAre(net::SplicedPort{Protocol::tcp, 8080, id},
                                           net::SplicedPort{Protocol::udp, 5353, id}));
    EXPECT_EQ(difference(rules, {}).removed_spliced, rules.spliced);
}

TEST_F(SandboxTest, WithBothFamiliesTheKernelLeadsAllButTheLoopbackAddress) {
    add("dual", "172.17.0.2", "fd00::2");
    publish("tcp", 80, "::", 8080);
    publish("tcp", 81, "fd99::1", 8081);
    publish("sctp", 82, "0.0.0.0", 8082);
    publish("sctp", 82, "::", 8082);
    EXPECT_EQ(port_rules(sandbox).size(), 4u);
    std::vector<net::HeldPort> held = held_ports(sandbox);
    ASSERT_EQ(held.size(), 4u);
    EXPECT_EQ(held[0].target, std::pair(ip("fd00::2"), uint16_t{80})) << "for [::1]";
    EXPECT_FALSE(held[1].target);
    EXPECT_FALSE(held[2].target || held[3].target) << "SCTP is never spliced";
}

TEST_F(SandboxTest, RulesChangeByTheirDifference) {
    add("bridge", "172.17.0.2");
    publish("tcp", 80, "0.0.0.0", 8080);
    publish("tcp", 81, "0.0.0.0", 8081);
    net::FirewallChange before = rules_of(sandbox);
    sandbox.places[0].lease.v4 = net::Prefix::parse("172.18.0.9/16");
    sandbox.record_to_change().ports.pop_back();
    net::FirewallChange change = difference(before, rules_of(sandbox));
    ASSERT_EQ(change.ports.size(), 1u);
    EXPECT_EQ(change.ports[0].to, ip("172.18.0.9"));
    ASSERT_EQ(change.removed_ports.size(), 1u) << "what leads elsewhere is replaced, not removed";
    EXPECT_EQ(change.removed_ports[0].host_port, 8081);
    EXPECT_TRUE(difference(before, before).is_empty());
}

}  // namespace
}  // namespace berth::engine
