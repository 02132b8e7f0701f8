// SPDX-License-Identifier: Apache-2.0
#include "net/firewall_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "net/firewall_rules.h"
#include "net/other_chains.h"

namespace berth::net {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

IpAddress ip(std::string_view text) {
    return IpAddress::parse(text).value();
}

Firewall::Options options() {
    return {.tag = "0a1b2c3d"};
}

FirewallChange port(const char* host, uint16_t host_port, const char* to, uint16_t to_port) {
    FirewallChange change;
    change.ports = {{Protocol::tcp, ip(host), host_port, ip(to), to_port}};
    return change;
}

TEST(FirewallText, APortIsAnElement) {
    FirewallRules rules(options());
    EXPECT_EQ(rules.take(port("0.0.0.0", 8080, "172.17.0.2", 80)),
              "add element inet berth-0a1b2c3d any_ports4 { tcp . 8080 : 172.17.0.2 . 80 }\n"
              "add element inet berth-0a1b2c3d published4 { 172.17.0.2 . tcp . 80 }\n");
    EXPECT_EQ(rules.take(port("127.0.0.1", 81, "172.17.0.2", 80)),
              "add element inet berth-0a1b2c3d ports4 { 127.0.0.1 . tcp . 81 : 172.17.0.2 . 80 }\n");
    EXPECT_EQ(rules.take(port("fd00::1", 81, "fd01::2", 80)),
              "add element inet berth-0a1b2c3d ports6 { fd00::1 . tcp . 81 : fd01::2 . 80 }\n"
              "add element inet berth-0a1b2c3d published6 { fd01::2 . tcp . 80 }\n");
    EXPECT_EQ(rules.take(port("::", 81, "172.17.0.2", 80)), "") << "the port holder's";
}

TEST(FirewallText, TheSameAgainIsNothing) {
    FirewallRules rules(options());
    rules.take(port("0.0.0.0", 8080, "172.17.0.2", 80));
    EXPECT_EQ(rules.take(port("0.0.0.0", 8080, "172.17.0.2", 80)), "");
    EXPECT_EQ(rules.take(port("0.0.0.0", 8080, "172.17.0.3", 80)),
              "delete element inet berth-0a1b2c3d any_ports4 { tcp . 8080 : 172.17.0.2 . 80 }\n"
              "delete element inet berth-0a1b2c3d published4 { 172.17.0.2 . tcp . 80 }\n"
              "add element inet berth-0a1b2c3d any_ports4 { tcp . 8080 : 172.17.0.3 . 80 }\n"
              "add element inet berth-0a1b2c3d published4 { 172.17.0.3 . tcp . 80 }\n");
}

TEST(FirewallText, ElementsOfASetGoInOneCommand) {
    FirewallRules rules(options());
    FirewallChange bridge;
    bridge.bridges = {{.bridge = "berth0", .subnets = {}, .is_internal = true, .masquerade4 = false}};
    for (int i = 0; i < 3; ++i)
        bridge.bridges[0].subnets.push_back(Prefix::parse(fmt::format("10.0.{}.0/24", i)).value());
    rules.take(bridge);
    FirewallChange gone;
    gone.removed_bridges = {"berth0"};
    EXPECT_EQ(rules.take(gone),
              "delete element inet berth-0a1b2c3d bridges { \"berth0\" }\n"
              "delete element inet berth-0a1b2c3d internal { \"berth0\" }\n"
              "delete element inet berth-0a1b2c3d own4 { \"berth0\" . 10.0.0.0/24, \"berth0\" . "
              "10.0.1.0/24, \"berth0\" . 10.0.2.0/24 }\n"
              "delete element inet berth-0a1b2c3d same { \"berth0\" . \"berth0\" }\n"
              "delete element inet berth-0a1b2c3d subnets4 { 10.0.0.0/24, 10.0.1.0/24, 10.0.2.0/24 }\n");
}

TEST(FirewallText, WhatIsNotThereIsNotDeleted) {
    FirewallRules rules(options());
    FirewallChange gone;
    gone.removed_ports = port("0.0.0.0", 8080, "172.17.0.2", 80).ports;
    gone.removed_bridges = {"br-1"};
    gone.removed_addresses = {ip("172.17.0.9")};
    gone.unseparated = {"ve1"};
    EXPECT_EQ(rules.take(gone), "");
    rules.take(port("0.0.0.0", 8080, "172.17.0.3", 80));
    EXPECT_EQ(rules.take(gone), "") << "somebody else has the port by now";
    gone.removed_ports[0].to = IpAddress::any(Family::v4);
    EXPECT_THAT(rules.take(gone), HasSubstr("delete element"));
}

TEST(FirewallText, WhatTwoWantGoesWithTheLast) {
    FirewallRules rules(options());
    FirewallChange one = port("0.0.0.0", 8080, "172.17.0.2", 80),
                   two = port("0.0.0.0", 8081, "172.17.0.2", 80);
    EXPECT_THAT(rules.take(one), HasSubstr("published4"));
    rules.commit();
    EXPECT_THAT(rules.take(two), Not(HasSubstr("published4")));
    rules.roll_back();
    rules.take(two);
    std::swap(one.ports, one.removed_ports);
    EXPECT_THAT(rules.take(one), Not(HasSubstr("published4")));
    std::swap(two.ports, two.removed_ports);
    EXPECT_THAT(rules.take(two), HasSubstr("delete element inet berth-0a1b2c3d published4"));
}

TEST(FirewallText, RollBackTakesBackAll) {
    FirewallRules rules(options());
    FirewallChange bridge;
    bridge.bridges = {{.bridge = "berth0", .subnets = {Prefix::parse("172.17.0.0/16").value()}}};
    bridge.separated = {"ve1"};
    rules.take(bridge);
    rules.take(port("0.0.0.0", 8080, "172.17.0.2", 80));
    EXPECT_THAT(rules.take_bridge_table(), HasSubstr("table bridge berth-0a1b2c3d {"));
    rules.roll_back();
    EXPECT_THAT(rules.bridges(), ElementsAre());
    EXPECT_EQ(rules.take_bridge_table(), "");
    EXPECT_THAT(rules.whole(false), Not(HasSubstr("add element")));
}

TEST(FirewallText, AChangeThatCannotBeWrittenLeavesNothing) {
    FirewallRules rules(options());
    FirewallChange change = port("0.0.0.0", 8080, "172.17.0.2", 80);
    change.separated = {"x\" } ; flush ruleset"};
    EXPECT_THROW(rules.take(change), Error);
    EXPECT_THAT(rules.whole(false), Not(HasSubstr("add element")));
}

TEST(FirewallText, TheBridgeTableIsThereOnlyWhileNeeded) {
    FirewallRules rules(options());
    FirewallChange change;
    change.separated = {"ve1"};
    rules.take(change);
    EXPECT_THAT(rules.take_bridge_table(),
                HasSubstr("add element bridge berth-0a1b2c3d separated { \"ve1\" }"));
    rules.commit();
    change.separated = {"ve2"};
    rules.take(change);
    EXPECT_EQ(rules.take_bridge_table(), "add element bridge berth-0a1b2c3d separated { \"ve2\" }\n");
    rules.commit();
    change.separated = {};
    change.unseparated = {"ve1", "ve2"};
    rules.take(change);
    EXPECT_EQ(rules.take_bridge_table(), "delete table bridge berth-0a1b2c3d\n");
}

TEST(FirewallText, AServiceIsAChain) {
    FirewallRules rules(options());
    FirewallChange change;
    change.services = {{.host_address = ip("0.0.0.0"),
                        .host_port = 80,
                        .targets = {{ip("172.18.0.2"), 8080}, {ip("172.18.0.3"), 8080}}}};
    EXPECT_EQ(
        rules.take(change),
        "add chain inet berth-0a1b2c3d tcp4-any-80\n"
        "add rule inet berth-0a1b2c3d tcp4-any-80 meta l4proto tcp dnat ip to numgen inc mod 2 map "
        "{ 0 : 172.18.0.2 . 8080, 1 : 172.18.0.3 . 8080 }\n"
        "add rule inet berth-0a1b2c3d tcp4-any-80 meta l4proto tcp dnat ip to 172.18.0.2:8080\n"
        "add element inet berth-0a1b2c3d any_services4 { tcp . 80 : goto tcp4-any-80 }\n"
        "add element inet berth-0a1b2c3d published4 { 172.18.0.2 . tcp . 8080, 172.18.0.3 . tcp . 8080 }\n");
    change.services[0].targets.pop_back();
    EXPECT_EQ(rules.take(change),
              "delete element inet berth-0a1b2c3d published4 { 172.18.0.3 . tcp . 8080 }\n"
              "flush chain inet berth-0a1b2c3d tcp4-any-80\n"
              "add rule inet berth-0a1b2c3d tcp4-any-80 meta l4proto tcp dnat ip to 172.18.0.2:8080\n");
    change.services[0].targets.clear();
    EXPECT_THAT(rules.take(change), HasSubstr("reject with tcp reset"));
    std::swap(change.services, change.removed_services);
    EXPECT_EQ(rules.take(change),
              "delete element inet berth-0a1b2c3d any_services4 { tcp . 80 : goto tcp4-any-80 }\n"
              "flush chain inet berth-0a1b2c3d tcp4-any-80\ndelete chain inet berth-0a1b2c3d tcp4-any-80\n");
}

TEST(FirewallText, RefusalsOfWhoListensAreHeldBack) {
    FirewallRules rules(options());
    FirewallChange change;
    change.services = {{.host_address = ip("0.0.0.0"),
                        .host_port = 80,
                        .targets = {{ip("172.18.0.2"), 8080}, {ip("172.18.0.3"), 8080}},
                        .listening = {{ip("172.18.0.3"), 8080}}}};
    EXPECT_THAT(rules.take(change),
                HasSubstr("add element inet berth-0a1b2c3d listening4 { 172.18.0.3 . 8080 }\n"));
    change.services[0].listening.clear();
    EXPECT_EQ(rules.take(change), "delete element inet berth-0a1b2c3d listening4 { 172.18.0.3 . 8080 }\n");
}

TEST(FirewallText, AClientKeepsItsTargetWhenAnotherGoes) {
    auto slots_of = [](std::vector<std::pair<IpAddress, uint16_t>> targets) {
        ServiceRule rule{.host_address = ip("0.0.0.0"), .host_port = 80, .balance = Balance::source};
        rule.targets = std::move(targets);
        std::string text = service_parts(rule, {}).chains.begin()->second;
        std::vector<std::string> slots;
        for (size_t at = 0; (at = text.find(" : ", at)) != std::string::npos; ++at)
            slots.push_back(text.substr(at + 3, 10));
        return slots;
    };
    auto three = slots_of({{ip("172.18.0.2"), 80}, {ip("172.18.0.3"), 80}, {ip("172.18.0.4"), 80}});
    auto two = slots_of({{ip("172.18.0.2"), 80}, {ip("172.18.0.4"), 80}});
    ASSERT_EQ(three.size(), two.size());
    size_t of_the_second = 0;
    for (size_t i = 0; i < three.size(); ++i) {
        if (three[i] == "172.18.0.3")
            ++of_the_second;
        else
            EXPECT_EQ(three[i], two[i]);
    }
    EXPECT_GT(of_the_second, three.size() / 6);
    EXPECT_LT(of_the_second, three.size() / 2);
}

TEST(FirewallText, AVirtualAddressIsThereForItsNetwork) {
    FirewallRules rules(options());
    FirewallChange change;
    change.addresses = {{.address = ip("172.18.0.9"), .targets = {ip("172.18.0.2")}}};
    EXPECT_THAT(rules.take(change), Not(HasSubstr("br-1")));
    FirewallChange bridge;
    bridge.bridges = {{.bridge = "br-1", .subnets = {Prefix::parse("172.18.0.0/16").value()}}};
    EXPECT_THAT(rules.take(bridge), HasSubstr("add element inet berth-0a1b2c3d virtual4 "
                                              "{ \"br-1\" . 172.18.0.9 : goto address-172.18.0.9 }"));
}

TEST(FirewallText, FamiliesThatAreOffAreLeftAlone) {
    Firewall::Options only6 = options();
    only6.enable4 = false;
    FirewallRules rules(only6);
    EXPECT_EQ(rules.take(port("0.0.0.0", 8080, "172.17.0.2", 80)), "");
    EXPECT_THAT(rules.whole(false), HasSubstr("meta nfproto ipv4 return"));
}

TEST(FirewallText, Marks) {
    EXPECT_EQ(mark_match("1"), "meta mark & 0xffffffff == 0x1");
    EXPECT_EQ(mark_match("0x10/0xf0"), "meta mark & 0xf0 == 0x10");
    EXPECT_THROW(mark_match("1; flush ruleset"), Error);
}

constexpr const char* kChains = R"(table ip filter {
	chain FORWARD { # handle 1
		type filter hook forward priority filter; policy drop;
	}
	chain DOCKER { # handle 2
	}
}
table inet fw {
	chain f { # handle 1
		type filter hook forward priority filter + 10; policy accept;
	}
}
)";

TEST(OtherChains, ListsForwardChains) {
    ChainList list = parse_chains(kChains);
    EXPECT_THAT(list.forward, ElementsAre(ForwardChain{"ip", "filter", "FORWARD", true},
                                          ForwardChain{"inet", "fw", "f", false}));
    EXPECT_TRUE(list.chains.contains("ip filter DOCKER"));
    EXPECT_TRUE(list.tables.contains("inet fw"));
}

TEST(OtherChains, KnowsWhatDropsAll) {
    auto chain = [](const std::string& rule) {
        return "table inet fw {\n\tchain f { # handle 1\n\t\t" + rule + " # handle 4\n\t}\n}\n";
    };
    EXPECT_TRUE(drops_everything(chain("reject with icmpx admin-prohibited")));
    EXPECT_TRUE(drops_everything(chain(" counter drop")));
    EXPECT_TRUE(
        drops_everything(chain("counter log prefix \"not accepted: \" level info drop comment \"drop it\"")));
    EXPECT_FALSE(drops_everything(chain("limit rate 3/second drop")));
    EXPECT_FALSE(drops_everything(chain("ct state invalid drop")));
    EXPECT_FALSE(drops_everything(chain("iifname \"eth0\" drop")));
    EXPECT_FALSE(drops_everything(chain("counter accept # handle 3\n\t\tdrop")));
    EXPECT_THAT(handles_of_jumps(chain("counter jump berth-1 comment \"berth-1\""), "berth-1"),
                ElementsAre("4"));
}

}  // namespace
}  // namespace berth::net
