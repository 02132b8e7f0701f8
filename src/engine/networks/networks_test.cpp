// SPDX-License-Identifier: Apache-2.0
#include "engine/networks/networks.h"

#include <algorithm>

#include "engine/networks/networks_fixture.h"

namespace berth::engine {
namespace {

using net::Family;
using spec::api::NetworkCreateRequest;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(NetworksTest, EveryDaemonHasThreeNetworks) {
    EXPECT_THAT(names(), ElementsAre("bridge", "host", "none"));
    std::shared_ptr<const NetworkRecord> bridge = networks->default_bridge();
    ASSERT_TRUE(bridge);
    EXPECT_EQ(bridge->interface, "berth" + machine_tag(config));
    std::optional<net::LinkInfo> link = net::find_link(bridge->interface);
    ASSERT_TRUE(link);
    EXPECT_EQ(link->alias, alias());
    EXPECT_TRUE(link->is_up);
    EXPECT_THAT(addresses(bridge->interface), ElementsAre("172.17.0.1/16"));
    std::string id = bridge->id, host = networks->get("host")->id;
    reopen();
    EXPECT_EQ(networks->default_bridge()->id, id);
    EXPECT_EQ(networks->get("host")->id, host);
    EXPECT_THAT(addresses(bridge->interface), ElementsAre("172.17.0.1/16"));
    EXPECT_THAT(actions(), IsEmpty());
}

TEST_F(NetworksTest, WarnsOfASubnetOfTheLan) {
    net::BridgeSpec theirs;
    theirs.name = "lan0";
    theirs.addresses = {*net::Prefix::parse("10.66.0.1/24")};
    net::ensure_bridge(theirs);
    EXPECT_EQ(run(networks->create(request("lan", "10.66.0.0/16"))).Warning,
              "subnet 10.66.0.0/16 overlaps with 10.66.0.0/24, to which this host has a route");
    EXPECT_EQ(run(networks->create(request("other", "10.67.0.0/16"))).Warning, "");
}

TEST_F(NetworksTest, TheDefaultBridgeIsOnesOwnToLeaveOut) {
    config.network.bridge.name = "none";
    std::string bridge = networks->default_bridge()->interface, id = networks->default_bridge()->id;
    reopen();
    EXPECT_FALSE(networks->default_bridge());
    EXPECT_THAT(names(), ElementsAre("host", "none"));
    EXPECT_FALSE(net::find_link(bridge));
    config.network.bridge.name.clear();
    reopen();
    EXPECT_EQ(networks->default_bridge()->id, id);
}

TEST_F(NetworksTest, ANetworkIsKeptWithItsBridge) {
    NetworkCreateRequest wanted = request("lan");
    wanted.Labels = spec::api::StringMap{{"a", "b"}};
    std::shared_ptr<const NetworkRecord> lan = create(std::move(wanted));
    EXPECT_EQ(lan->interface, "br-" + lan->id.substr(0, 12));
    EXPECT_EQ(lan->subnets.at(0).subnet.text(), "172.18.0.0/16");
    EXPECT_THAT(addresses(lan->interface), ElementsAre("172.18.0.1/16"));
    spec::api::Network view = networks->inspect("lan");
    EXPECT_EQ(view.Id, lan->id);
    EXPECT_EQ(view.IPAM.Config->at(0).Subnet, "172.18.0.0/16");
    EXPECT_EQ(view.IPAM.Config->at(0).Gateway, "172.18.0.1");
    EXPECT_EQ(spec::api::items(view.Labels).at("a"), "b");
    EXPECT_THAT(actions(), ElementsAre("create"));
    // As after a boot.
    net::remove_link(lan->interface);
    reopen();
    EXPECT_EQ(networks->inspect(lan->id.substr(0, 5)).Name, "lan");
    EXPECT_THAT(addresses(lan->interface), ElementsAre("172.18.0.1/16"));
}

TEST_F(NetworksTest, RefusesWhatIsThereAlready) {
    create(request("lan", "10.9.0.0/16"));
    EXPECT_EQ(refusal([&] { create(request("lan")); }, ErrorKind::conflict),
              "network with name lan already exists");
    EXPECT_EQ(refusal([&] { create(request("wan", "10.9.7.0/24")); }, ErrorKind::forbidden),
              "invalid pool request: Pool overlaps with other one on this address space");
    EXPECT_EQ(refusal([&] { networks->get("nothing"); }, ErrorKind::not_found), "network nothing not found");
    EXPECT_FALSE(networks->find("nothing"));
    EXPECT_FALSE(networks->find(""));
}

TEST_F(NetworksTest, AvoidsTheHostsRoutes) {
    net::BridgeSpec theirs;
    theirs.name = "theirs";
    theirs.addresses = {*net::Prefix::parse("172.18.5.1/24")};
    net::ensure_bridge(theirs);
    EXPECT_EQ(create(request("lan"))->subnets.at(0).subnet.text(), "172.19.0.0/16");
    config.network.address_pools = {{.base = "10.77.0.0/30", .size = 30}};
    reopen();
    EXPECT_EQ(create(request("one"))->subnets.at(0).subnet.text(), "10.77.0.0/30");
    EXPECT_THAT(refusal([&] { create(request("two")); }, ErrorKind::unavailable),
                HasSubstr("all predefined address pools have been fully subnetted"));
}

TEST_F(NetworksTest, ARemovedNetworkLeavesNothing) {
    std::shared_ptr<const NetworkRecord> lan = create(request("lan"));
    run(networks->remove("lan"));
    EXPECT_FALSE(net::find_link(lan->interface));
    EXPECT_THAT(names(), ElementsAre("bridge", "host", "none"));
    EXPECT_THAT(actions(), ElementsAre("create", "destroy"));
    reopen();
    EXPECT_THAT(names(), ElementsAre("bridge", "host", "none"));
    EXPECT_EQ(refusal([&] { run(networks->remove("bridge")); }, ErrorKind::forbidden),
              "bridge is a pre-defined network and cannot be removed");
    EXPECT_EQ(refusal([&] { run(networks->remove("lan")); }, ErrorKind::not_found), "network lan not found");
}

TEST_F(NetworksTest, WhatAKilledDaemonLeftGoes) {
    net::BridgeSpec stray;
    stray.name = "br-stray";
    stray.alias = alias();
    net::ensure_bridge(stray);
    stray.name = "br-other";
    stray.alias = "berth-00000000";
    net::ensure_bridge(stray);
    reopen();
    EXPECT_FALSE(net::find_link("br-stray"));
    EXPECT_TRUE(net::find_link("br-other"));
}

TEST_F(NetworksTest, ABridgeThatCannotBeMadeKeepsNobodyElseFromStarting) {
    std::shared_ptr<const NetworkRecord> lan = create(request("lan"));
    net::BridgeSpec theirs;
    theirs.name = "theirs";
    theirs.alias = "berth-00000000";
    net::ensure_bridge(theirs);
    config.network.bridge.name = "theirs";
    reopen();
    EXPECT_THAT(refusal([&] { networks->take_addresses(*networks->default_bridge(), {}, {}); },
                        ErrorKind::unavailable),
                HasSubstr("belongs to another daemon"));
    EXPECT_TRUE(networks->take_addresses(*lan, {}, {}).v4);
}

TEST_F(NetworksTest, TheUsersBridgeStays) {
    net::BridgeSpec theirs;
    theirs.name = "theirs";
    theirs.addresses = {*net::Prefix::parse("192.0.2.1/24")};
    net::ensure_bridge(theirs);
    NetworkCreateRequest wanted = request("lan", "10.9.0.0/16");
    wanted.Options = spec::api::StringMap{{"com.docker.network.bridge.name", "theirs"}};
    EXPECT_FALSE(create(std::move(wanted))->is_interface_ours);
    EXPECT_THAT(addresses("theirs"), ElementsAre("10.9.0.1/16", "192.0.2.1/24"));
    run(networks->remove("lan"));
    EXPECT_TRUE(net::find_link("theirs"));
    wanted = request("lo", "10.9.0.0/16");
    wanted.Options = spec::api::StringMap{{"com.docker.network.bridge.name", "lo"}};
    EXPECT_EQ(refusal([&] { create(std::move(wanted)); }, ErrorKind::invalid_argument),
              "existing interface lo is not a bridge");
    EXPECT_FALSE(networks->find("lo"));
}

TEST_F(NetworksTest, GivesAddressesOut) {
    NetworkCreateRequest wanted = request("lan", "10.9.0.0/24");
    wanted.EnableIPv6 = true;
    std::shared_ptr<const NetworkRecord> lan = create(std::move(wanted));
    AddressLease first = networks->take_addresses(*lan, {}, {});
    EXPECT_EQ(first.v4->text(), "10.9.0.2/24");
    EXPECT_EQ(first.gateway4->text(), "10.9.0.1");
    ASSERT_TRUE(first.v6);
    EXPECT_EQ(first.v6->length, 64U);
    EXPECT_EQ(first.gateway6, lan->subnets.at(1).gateway);
    AddressLease second = networks->take_addresses(*lan, net::IpAddress::parse("10.9.0.77"), {});
    EXPECT_EQ(second.v4->text(), "10.9.0.77/24");
    EXPECT_EQ(refusal([&] { networks->take_addresses(*lan, second.v4->address, {}); }, ErrorKind::forbidden),
              "Address already in use");
    EXPECT_EQ(refusal([&] { networks->take_addresses(*lan, net::IpAddress::parse("10.8.0.1"), {}); },
                      ErrorKind::invalid_argument),
              "no configured subnet or ip-range contain the IP address 10.8.0.1");
    EXPECT_EQ(refusal([&] { networks->take_addresses(*lan, {}, net::IpAddress::parse("fd00::1")); },
                      ErrorKind::invalid_argument),
              "user specified IP address is supported only when connecting to networks with user configured "
              "subnets");
    EXPECT_EQ(refusal(
                  [&] {
                      networks->take_addresses(*networks->default_bridge(),
                                               net::IpAddress::parse("172.17.0.9"), {});
                  },
                  ErrorKind::invalid_argument),
              "user specified IP address is supported on user defined networks only");
    EXPECT_THAT(refusal([&] { run(networks->remove("lan")); }, ErrorKind::forbidden),
                HasSubstr("has active endpoints"));
    networks->release(*lan, first);
    networks->release(*lan, second);
    EXPECT_EQ(networks->take_addresses(*lan, second.v4->address, {}).v4->text(), "10.9.0.77/24");
    reopen();
    EXPECT_EQ(networks->reserve(*lan, second).v4, second.v4);
    EXPECT_FALSE(networks->reserve(*lan, second).v4) << "not to be released by the second";
    EXPECT_EQ(refusal([&] { networks->take_addresses(*lan, second.v4->address, {}); }, ErrorKind::forbidden),
              "Address already in use");
}

TEST_F(NetworksTest, AnInternalNetworkHasNoGatewayForContainers) {
    NetworkCreateRequest wanted = request("inside", "10.9.0.0/24");
    wanted.Internal = true;
    std::shared_ptr<const NetworkRecord> inside = create(std::move(wanted));
    EXPECT_FALSE(networks->take_addresses(*inside, {}, {}).gateway4);
    EXPECT_THAT(addresses(inside->interface), ElementsAre("10.9.0.1/24"));
    config.network.bridge.gateway = "172.17.0.200";
    reopen();
    EXPECT_EQ(networks->take_addresses(*networks->default_bridge(), {}, {}).gateway4->text(), "172.17.0.200");
}

TEST_F(NetworksTest, MembersAreShownAndKeepIt) {
    std::shared_ptr<const NetworkRecord> lan = create(request("lan"));
    NetworkMember one = member("0123456789abcdef");
    one.v4 = net::Prefix::parse("172.18.0.2/16");
    networks->joined(*lan, one);
    networks->joined(*networks->get("host"), member("other"), false);
    networks->renamed("0123456789abcdef", "web");
    spec::api::Network view = networks->inspect("lan");
    ASSERT_EQ(view.Containers.size(), 1U);
    EXPECT_EQ(view.Containers.at("0123456789abcdef").Name, "web");
    EXPECT_EQ(view.Containers.at("0123456789abcdef").IPv4Address, "172.18.0.2/16");
    EXPECT_EQ(networks->inspect("host").Containers.size(), 1U);
    EXPECT_EQ(refusal([&] { run(networks->remove("lan")); }, ErrorKind::forbidden),
              "error while removing network: network lan has active endpoints (name:\"web\" "
              "id:\"0123456789ab\")");
    EXPECT_THAT(run(networks->prune({})), IsEmpty());
    networks->left(*lan, "0123456789abcdef");
    networks->left(*lan, "0123456789abcdef");
    EXPECT_THAT(actions(), ElementsAre("create", "connect", "prune", "disconnect"));
    EXPECT_THAT(run(networks->prune({})), ElementsAre("lan"));
}

TEST_F(NetworksTest, FiltersAsDocker) {
    NetworkCreateRequest wanted = request("lan");
    wanted.Labels = spec::api::StringMap{{"tier", "web"}};
    std::shared_ptr<const NetworkRecord> lan = create(std::move(wanted));
    create(request("wan"));
    networks->joined(*networks->get("wan"), member("c"));
    EXPECT_THAT(names(R"({"driver":{"bridge":true}})"), ElementsAre("bridge", "lan", "wan"));
    EXPECT_THAT(names(R"({"name":{"an":true}})"), ElementsAre("lan", "wan"));
    EXPECT_THAT(names(R"({"type":{"builtin":true}})"), ElementsAre("bridge", "host", "none"));
    EXPECT_THAT(names(R"({"type":{"custom":true}})"), ElementsAre("lan", "wan"));
    EXPECT_THAT(names(R"({"dangling":{"true":true}})"), ElementsAre("lan"));
    EXPECT_THAT(names(R"({"dangling":{"false":true}})"), ElementsAre("bridge", "host", "none", "wan"));
    EXPECT_THAT(names(R"({"label":{"tier=web":true}})"), ElementsAre("lan"));
    EXPECT_THAT(names(R"({"scope":{"swarm":true}})"), IsEmpty());
    EXPECT_THAT(names(R"({"id":{")" + lan->id.substr(0, 9) + R"(":true}})"), ElementsAre("lan"));
    EXPECT_THROW(names(R"({"type":{"odd":true}})"), Error);
    EXPECT_THROW(names(R"({"odd":{"x":true}})"), Error);
}

TEST_F(NetworksTest, PrunesByLabelAndTime) {
    NetworkCreateRequest wanted = request("keep");
    wanted.Labels = spec::api::StringMap{{"keep", ""}};
    create(std::move(wanted));
    create(request("go"));
    EXPECT_THAT(run(networks->prune(spec::api::Filters::parse(R"({"until":{"24h":true}})"))), IsEmpty());
    EXPECT_THAT(run(networks->prune(spec::api::Filters::parse(R"({"label!":{"keep":true}})"))),
                ElementsAre("go"));
    EXPECT_THAT(names(), Contains("keep"));
}

TEST_F(NetworksTest, ConfigurationsAreFormsForOthers) {
    NetworkCreateRequest form = request("form", "10.9.0.0/16");
    form.ConfigOnly = true;
    std::shared_ptr<const NetworkRecord> record = create(std::move(form));
    EXPECT_EQ(record->driver, "null");
    EXPECT_EQ(refusal([&] { networks->take_addresses(*record, {}, {}); }, ErrorKind::forbidden),
              "cannot create an endpoint on configuration-only network form");
    NetworkCreateRequest wanted = request("lan");
    wanted.ConfigFrom = {.Network = "form"};
    EXPECT_EQ(create(std::move(wanted))->subnets.at(0).subnet.text(), "10.9.0.0/16");
    EXPECT_EQ(refusal([&] { run(networks->remove("form")); }, ErrorKind::forbidden),
              "error while removing network: configuration network \"form\" is in use");
    run(networks->remove("lan"));
    EXPECT_THAT(run(networks->prune({})), IsEmpty());
    run(networks->remove("form"));
    EXPECT_THAT(actions(), ElementsAre("create", "destroy", "prune"));
}

TEST_F(NetworksTest, AServiceKeepsItsAddress) {
    std::shared_ptr<const NetworkRecord> lan = create(request("lan"));
    std::optional<net::IpAddress> address = run(networks->virtual_address(*lan, "shop/web"));
    ASSERT_TRUE(address);
    EXPECT_EQ(run(networks->virtual_address(*lan, "shop/web")), address);
    EXPECT_NE(run(networks->virtual_address(*lan, "shop/db")), address);
    EXPECT_FALSE(run(networks->virtual_address(*networks->get("host"), "shop/web")));
    reopen();
    EXPECT_EQ(run(networks->virtual_address(*lan, "shop/web")), address);
    EXPECT_THAT(addresses(lan->interface), Contains(address->text() + "/32"));
    EXPECT_NE(networks->take_addresses(*lan, {}, {}).v4->address, *address);
    run(networks->drop_virtual_address(*lan, "shop/web"));
    EXPECT_THAT(addresses(lan->interface), testing::Not(Contains(address->text() + "/32")));
    reopen();
    EXPECT_THAT(addresses(lan->interface), testing::Not(Contains(address->text() + "/32")));
}

TEST_F(NetworksTest, TheDaemonsEndTakesItsBridges) {
    std::shared_ptr<const NetworkRecord> lan = create(request("lan"));
    run(networks->remove_bridges());
    EXPECT_FALSE(net::find_link(lan->interface));
    EXPECT_FALSE(net::find_link(networks->default_bridge()->interface));
}

TEST_F(NetworksTest, PublishesWhereTheDaemonSays) {
    config.network.publish_addresses = {"127.0.0.1"};
    reopen();
    std::shared_ptr<const NetworkRecord> lan = create(request("lan"));
    EXPECT_EQ(lan->host_binding(Family::v4)->text(), "127.0.0.1");
    EXPECT_FALSE(lan->host_binding(Family::v6));
    EXPECT_EQ(networks->default_bridge()->host_binding(Family::v4)->text(), "127.0.0.1");
    config.network.publish_addresses.clear();
    reopen();
    EXPECT_FALSE(networks->get("lan")->host_binding(Family::v4));
}

}  // namespace
}  // namespace berth::engine
