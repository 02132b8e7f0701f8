// SPDX-License-Identifier: Apache-2.0
#include "engine/networks/service_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace berth::engine {
namespace {

using net::Balance;
using net::Protocol;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Labels = std::map<std::string, std::string>;
using Target = std::pair<net::IpAddress, uint16_t>;

net::IpAddress ip(const char* text) {
    return *net::IpAddress::parse(text);
}

const ServiceRules::PortKey kWeb{Protocol::tcp, ip("0.0.0.0"), 8080};
const ServiceRules::PortKey kDns{Protocol::udp, ip("0.0.0.0"), 53};

net::PortRule web_at(const char* address) {
    return {Protocol::tcp, ip("0.0.0.0"), 8080, ip(address), 80};
}

ServiceMember replica(std::string id, const char* address, Balance balance = Balance::round_robin) {
    ServiceMember member;
    member.container_id = std::move(id);
    member.settings = {.key = "shop/web", .project = "shop", .name = "web", .balance = balance, .drain = {}};
    member.ports = {web_at(address)};
    return member;
}

std::shared_ptr<const NetworkRecord> network(std::string id) {
    auto record = std::make_shared<NetworkRecord>();
    record->id = std::move(id);
    return record;
}

size_t size_of(const net::FirewallChange& change) {
    return change.services.size() + change.removed_services.size() + change.addresses.size() +
           change.removed_addresses.size();
}

const std::set<ContainerPort> kListens{{Protocol::tcp, 80}};

TEST(ServiceSettingsTest, ComposeLabelsNameAService) {
    auto settings =
        service_settings({{"com.docker.compose.project", "shop"}, {"com.docker.compose.service", "web"}});
    ASSERT_TRUE(settings);
    EXPECT_EQ(settings->key, "shop/web");
    EXPECT_EQ(settings->balance, Balance::round_robin);
    EXPECT_EQ(settings->drain.count(), 0);
}

TEST(ServiceSettingsTest, OurOwnLabelCountsMore) {
    auto settings = service_settings({{"com.docker.compose.project", "blue"},
                                      {"com.docker.compose.service", "web"},
                                      {"berth.service", "shop"},
                                      {"berth.balance", "source"},
                                      {"berth.drain", "12"}});
    ASSERT_TRUE(settings);
    EXPECT_EQ(settings->key, "/shop");
    EXPECT_EQ(settings->project, "");
    EXPECT_EQ(settings->balance, Balance::source);
    EXPECT_EQ(settings->drain.count(), 12);
}

TEST(ServiceSettingsTest, OthersBelongToNone) {
    EXPECT_FALSE(service_settings({}));
    EXPECT_FALSE(service_settings({{"com.docker.compose.project", "shop"}}));
    EXPECT_FALSE(service_settings({{"berth.balance", "random"}}));
    EXPECT_FALSE(service_settings({{"com.docker.compose.project", "shop"},
                                   {"com.docker.compose.service", "web"},
                                   {"com.docker.compose.oneoff", "True"}}));
}

TEST(ServiceSettingsTest, WordsThatAreNoneAreRefused) {
    for (const Labels& labels : {Labels{{"berth.service", "a"}, {"berth.balance", "fair"}},
                                 Labels{{"berth.service", "a"}, {"berth.drain", "-1"}},
                                 Labels{{"berth.service", "a"}, {"berth.drain", "1h"}},
                                 Labels{{"berth.service", "a"}, {"berth.drain", "99999999"}}}) {
        try {
            service_settings(labels);
            ADD_FAILURE() << labels.rbegin()->second;
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        }
    }
    EXPECT_EQ(service_settings({{"berth.service", "a"}, {"berth.drain", "3s"}})->drain.count(), 3);
}

TEST(ServiceSettingsTest, OnlyTheLabelsOfServicesAreKept) {
    Labels own = service_labels({{"berth.service", "a"}, {"tier", "front"}, {"berth.drain", "1"}});
    EXPECT_EQ(own, (Labels{{"berth.service", "a"}, {"berth.drain", "1"}}));
}

TEST(ServiceTableTest, APortIsATargetOnceItListens) {
    ServiceTable table;
    table.join(replica("a", "10.0.0.2"));
    EXPECT_THAT(table.rules("shop/web").ports.at(kWeb).targets, IsEmpty());
    EXPECT_FALSE(table.is_settled("a"));

    EXPECT_TRUE(table.set_listening("a", kListens));
    EXPECT_FALSE(table.set_listening("a", kListens));
    EXPECT_THAT(table.rules("shop/web").ports.at(kWeb).targets, ElementsAre(Target(ip("10.0.0.2"), 80)));
    EXPECT_TRUE(table.is_settled("a"));

    EXPECT_TRUE(table.set_listening("a", {}));
    EXPECT_THAT(table.rules("shop/web").ports.at(kWeb).targets, IsEmpty());
}

TEST(ServiceTableTest, AHealthCheckCountsInsteadOfThePort) {
    ServiceTable table;
    ServiceMember member = replica("a", "10.0.0.2");
    member.has_health_check = true;
    table.join(std::move(member));
    table.set_listening("a", kListens);
    EXPECT_THAT(table.rules("shop/web").ports.at(kWeb).targets, IsEmpty());
    EXPECT_TRUE(table.set_healthy("a", true));
    EXPECT_FALSE(table.set_healthy("a", true));
    EXPECT_THAT(table.rules("shop/web").ports.at(kWeb).targets, SizeIs(1));
    EXPECT_TRUE(table.set_healthy("a", false));
    EXPECT_THAT(table.rules("shop/web").ports.at(kWeb).targets, IsEmpty());
    EXPECT_FALSE(table.set_healthy("unknown", true));
}

TEST(ServiceTableTest, WhoListensIsToldWhereThereIsAnother) {
    ServiceTable table;
    ServiceMember checked = replica("a", "10.0.0.2");
    checked.has_health_check = true;
    table.join(std::move(checked));
    table.set_healthy("a", true);
    EXPECT_TRUE(table.set_listening("a", kListens));
    EXPECT_THAT(table.rules("shop/web").ports.at(kWeb).listening, IsEmpty()) << "it is the only one";

    ServiceMember silent = replica("b", "10.0.0.3");
    silent.has_health_check = true;
    table.join(std::move(silent));
    table.set_healthy("b", true);
    net::ServiceRule rule = table.rules("shop/web").ports.at(kWeb);
    EXPECT_THAT(rule.targets, SizeIs(2));
    EXPECT_THAT(rule.listening, ElementsAre(Target(ip("10.0.0.2"), 80)));
}

TEST(ServiceTableTest, TargetsHaveOneOrderWhoeverComesFirst) {
    ServiceTable one, other;
    for (const auto& [id, address] : {std::pair{"a", "10.0.0.9"}, {"b", "10.0.0.10"}, {"c", "10.0.0.2"}}) {
        one.join(replica(id, address));
        one.set_listening(id, kListens);
    }
    for (const auto& [id, address] : {std::pair{"b", "10.0.0.10"}, {"c", "10.0.0.2"}, {"a", "10.0.0.9"}}) {
        other.join(replica(id, address));
        other.set_listening(id, kListens);
    }
    ServiceRules rules = one.rules("shop/web");
    EXPECT_THAT(
        rules.ports.at(kWeb).targets,
        ElementsAre(Target(ip("10.0.0.2"), 80), Target(ip("10.0.0.9"), 80), Target(ip("10.0.0.10"), 80)));
    EXPECT_EQ(size_of(difference(rules, other.rules("shop/web"), false)), 0u);
}

TEST(ServiceTableTest, WhoLeavesComesBackOnlyByRejoining) {
    ServiceTable table;
    table.join(replica("a", "10.0.0.2"));
    EXPECT_FALSE(table.leave("a")) << "it was not in the map";
    table.set_listening("a", kListens);
    EXPECT_THAT(table.rules("shop/web").ports.at(kWeb).targets, IsEmpty());
    EXPECT_TRUE(table.rejoin("a"));
    EXPECT_TRUE(table.leave("a"));
    EXPECT_FALSE(table.leave("a"));
    EXPECT_TRUE(table.rejoin("a"));
    EXPECT_THAT(table.rules("shop/web").ports.at(kWeb).targets, SizeIs(1));
    EXPECT_EQ(table.remove("a"), "shop/web");
    EXPECT_EQ(table.remove("a"), std::nullopt);
    EXPECT_THAT(table.rules("shop/web").ports, IsEmpty());
    EXPECT_THAT(table.keys(), IsEmpty());
}

TEST(ServiceTableTest, JoiningAgainKeepsWhatIsKnown) {
    ServiceTable table;
    table.join(replica("a", "10.0.0.2"));
    table.set_listening("a", kListens);
    table.join(replica("a", "10.0.0.7"));
    EXPECT_THAT(table.rules("shop/web").ports.at(kWeb).targets, ElementsAre(Target(ip("10.0.0.7"), 80)));
}

TEST(ServiceTableTest, ThePolicyIsTheFirstMembers) {
    ServiceTable table;
    EXPECT_EQ(table.join(replica("a", "10.0.0.2", Balance::source)), ServiceTable::Balanced::agreed);
    EXPECT_EQ(table.join(replica("b", "10.0.0.3", Balance::random)), ServiceTable::Balanced::differs);
    EXPECT_EQ(table.join(replica("c", "10.0.0.4", Balance::random)), ServiceTable::Balanced::agreed)
        << "one warning is enough";
    EXPECT_EQ(table.rules("shop/web").ports.at(kWeb).balance, Balance::source);
}

TEST(ServiceTableTest, PortsOfOneContainerAreReadyOneByOne) {
    ServiceTable table;
    ServiceMember member = replica("a", "10.0.0.2");
    member.ports.push_back({Protocol::udp, ip("0.0.0.0"), 53, ip("10.0.0.2"), 5353});
    table.join(std::move(member));
    table.set_listening("a", {{Protocol::udp, 5353}});
    ServiceRules rules = table.rules("shop/web");
    EXPECT_THAT(rules.ports.at(kWeb).targets, IsEmpty());
    EXPECT_THAT(rules.ports.at(kDns).targets, ElementsAre(Target(ip("10.0.0.2"), 5353)));
    EXPECT_FALSE(table.is_settled("a"));
}

TEST(ServiceTableTest, AVirtualAddressOutlivesItsMembers) {
    ServiceTable table;
    auto lan = network("lan");
    ServiceMember member = replica("a", "10.0.0.2");
    member.networks = {{lan, ip("10.0.0.2")}};
    member.exposed = {{Protocol::tcp, 9000}};
    table.set_address("shop/web", "lan", ip("10.0.0.100"));
    table.join(std::move(member));
    EXPECT_THAT(table.rules("shop/web").addresses.at(ip("10.0.0.100")).targets, IsEmpty());
    table.set_listening("a", {{Protocol::tcp, 9000}});
    EXPECT_THAT(table.rules("shop/web").addresses.at(ip("10.0.0.100")).targets, ElementsAre(ip("10.0.0.2")));
    EXPECT_TRUE(table.has_members_on("shop/web", "lan"));
    EXPECT_FALSE(table.has_members_on("shop/web", "wan"));

    table.remove("a");
    EXPECT_FALSE(table.has_members_on("shop/web", "lan"));
    EXPECT_THAT(table.rules("shop/web").addresses.at(ip("10.0.0.100")).targets, IsEmpty());
    table.drop_address("shop/web", "lan");
    EXPECT_THAT(table.keys(), IsEmpty());
}

TEST(ServiceTableTest, WithoutKnownPortsAMemberIsReadyAtOnce) {
    ServiceTable table;
    ServiceMember member = replica("a", "10.0.0.2");
    member.ports.clear();
    member.networks = {{network("lan"), ip("10.0.0.2")}};
    table.set_address("shop/web", "lan", ip("10.0.0.100"));
    table.join(std::move(member));
    EXPECT_THAT(table.rules("shop/web").addresses.at(ip("10.0.0.100")).targets, SizeIs(1));
    EXPECT_TRUE(table.is_settled("a"));
}

TEST(ServiceTableTest, AWideExposeTellsNothing) {
    ServiceMember member = replica("a", "10.0.0.2");
    for (uint16_t port = 1; port <= 65; ++port) member.exposed.emplace_back(Protocol::tcp, port);
    EXPECT_THAT(ServiceTable::watched(member), ElementsAre(ContainerPort(Protocol::tcp, 80)));
}

TEST(ServiceRulesTest, OnlyWhatDiffersChanges) {
    ServiceTable table;
    table.join(replica("a", "10.0.0.2"));
    ServiceRules empty = table.rules("shop/web");
    table.set_listening("a", kListens);
    ServiceRules ready = table.rules("shop/web");

    EXPECT_EQ(size_of(difference(ready, ready, false)), 0u);
    EXPECT_THAT(difference(ready, ready, true).services, SizeIs(1));
    EXPECT_THAT(difference(empty, ready, false).services, SizeIs(1));
    EXPECT_THAT(difference(ready, {}, false).removed_services, SizeIs(1));
    EXPECT_THAT(difference(ready, {}, false).services, IsEmpty());
}

TEST(ServiceRulesTest, UdpFlowsOfWhoLeavesAreStaleAndTcpOnesAreNot) {
    ServiceTable table;
    for (const auto& [id, address] : {std::pair{"a", "10.0.0.2"}, {"b", "10.0.0.3"}}) {
        ServiceMember member = replica(id, address);
        member.ports.push_back({Protocol::udp, ip("0.0.0.0"), 53, ip(address), 53});
        member.networks = {{network("lan"), ip(address)}};
        table.join(std::move(member));
        table.set_listening(id, {{Protocol::tcp, 80}, {Protocol::udp, 53}});
    }
    table.set_address("shop/web", "lan", ip("10.0.0.100"));
    ServiceRules both = table.rules("shop/web");
    table.leave("a");
    std::vector<net::FlowFilter> stale = stale_flows(both, table.rules("shop/web"));
    ASSERT_THAT(stale, SizeIs(2));
    for (const net::FlowFilter& filter : stale) {
        EXPECT_EQ(filter.protocol, Protocol::udp);
        EXPECT_EQ(filter.reply_source, ip("10.0.0.2"));
    }
    EXPECT_EQ(stale[0].original_port, 53);
    EXPECT_EQ(stale[1].original_destination, ip("10.0.0.100"));
}

}  // namespace
}  // namespace berth::engine
