// SPDX-License-Identifier: Apache-2.0
#include "net/dns/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/dns/answer.h"
#include "net/dns/message_fixture.h"

namespace berth::net::dns {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

std::vector<IpAddress> ips(const std::vector<std::string_view>& texts) {
    std::vector<IpAddress> result;
    for (std::string_view text : texts) result.push_back(IpAddress::parse(text).value());
    return result;
}

DnsEndpoint endpoint(std::string id, std::vector<std::string> names,
                     const std::vector<std::string_view>& addresses) {
    DnsEndpoint result;
    result.id = std::move(id);
    result.names = std::move(names);
    result.addresses = ips(addresses);
    return result;
}

class DnsNames : public testing::Test {
  protected:
    DnsNames() {
        front_ = names_.network("1");
        back_ = names_.network("2");
        front_->set_name("Front");
        back_->set_name("my.back");
        view_.networks = {front_, back_};
    }
    /// "?": no such name.
    std::vector<std::string> look_up(std::string_view name, Family family = Family::v4) {
        std::vector<IpAddress> found;
        if (!view_.addresses(name, family, found)) return {"?"};
        std::vector<std::string> result;
        for (const IpAddress& address : found) result.push_back(address.text());
        return result;
    }
    Reply ask(std::string_view name, uint16_t type, uint16_t udp_size = 0) {
        Bytes packet = query(name, type, 0x1234, udp_size), out(4096);
        Query parsed;
        EXPECT_EQ(parse_query(packet, parsed), Rcode::ok);
        size_t size = answerer_.answer(view_, packet, parsed, out, parsed.udp_size);
        return size == 0 ? Reply{} : parse_reply(Packet(out).first(size));
    }

    Names names_;
    std::shared_ptr<NetworkNames> front_, back_;
    View view_;
    Answerer answerer_{5};
};

TEST_F(DnsNames, AllAddressesInRotatingOrder) {
    front_->add(endpoint("a", {"one", "web"}, {"10.0.0.1", "fd00::1"}));
    front_->add(endpoint("b", {"two", "web"}, {"10.0.0.2"}));
    front_->add(endpoint("c", {"three", "web"}, {"10.0.0.3"}));
    EXPECT_THAT(look_up("web"), ElementsAre("10.0.0.1", "10.0.0.2", "10.0.0.3"));
    // A look-up of the other family in between changes nothing.
    EXPECT_THAT(look_up("web", Family::v6), ElementsAre("fd00::1"));
    EXPECT_THAT(look_up("web"), ElementsAre("10.0.0.2", "10.0.0.3", "10.0.0.1"));
    EXPECT_THAT(look_up("web"), ElementsAre("10.0.0.3", "10.0.0.1", "10.0.0.2"));
    front_->remove("b");
    EXPECT_THAT(look_up("web"), UnorderedElementsAre("10.0.0.1", "10.0.0.3"));
    EXPECT_THAT(look_up("two"), ElementsAre("?"));
    EXPECT_THAT(look_up("one"), ElementsAre("10.0.0.1"));
}

TEST_F(DnsNames, AnEndpointIsReplaced) {
    front_->add(endpoint("a", {"web", "WEB", "old"}, {"10.0.0.1"}));
    front_->add(endpoint("a", {"web", "new"}, {"10.0.0.9"}));
    EXPECT_THAT(look_up("web"), ElementsAre("10.0.0.9"));
    EXPECT_THAT(look_up("old"), ElementsAre("?"));
    EXPECT_THAT(look_up("new"), ElementsAre("10.0.0.9"));
    EXPECT_EQ(view_.name_of(ips({"10.0.0.1"})[0]), "");
}

TEST_F(DnsNames, TheFirstNetworkWithAnAddressAnswers) {
    front_->add(endpoint("a", {"web"}, {"10.0.0.1"}));
    back_->add(endpoint("b", {"web"}, {"10.1.0.1", "fd01::1"}));
    EXPECT_THAT(look_up("web"), ElementsAre("10.0.0.1"));
    EXPECT_THAT(look_up("web", Family::v6), ElementsAre("fd01::1"));
    EXPECT_THAT(look_up("web.front"), ElementsAre("10.0.0.1"));
    EXPECT_THAT(look_up("web.my.back"), ElementsAre("10.1.0.1"));
    EXPECT_THAT(look_up("web.back"), ElementsAre("?"));
    view_.networks = {back_};
    EXPECT_THAT(look_up("web.front"), ElementsAre("?"));
    EXPECT_THAT(look_up("web"), ElementsAre("10.1.0.1"));
}

TEST_F(DnsNames, OwnNamesComeFirst) {
    front_->add(endpoint("a", {"db"}, {"10.0.0.1", "fd00::1"}));
    view_.own_names.emplace_back("db", ips({"10.0.0.7"}));
    EXPECT_THAT(look_up("db"), ElementsAre("10.0.0.7"));
    EXPECT_THAT(look_up("db", Family::v6), ElementsAre("fd00::1"));
}

TEST_F(DnsNames, NamesWithoutEndpoints) {
    front_->add_name("Web.Service", ips({"10.0.0.100"}));
    EXPECT_THAT(look_up("web.service"), ElementsAre("10.0.0.100"));
    front_->remove_name("web.service");
    EXPECT_THAT(look_up("web.service"), ElementsAre("?"));
    front_->remove_name("web.service");
}

TEST_F(DnsNames, ReverseNames) {
    EXPECT_EQ(address_of_reverse_name("4.3.2.1.in-addr.arpa"), ips({"1.2.3.4"})[0]);
    for (std::string_view text : {"fd00::12:ab", "::1", "2001:db8::ffff"}) {
        IpAddress address = ips({text})[0];
        EXPECT_EQ(address_of_reverse_name(address.reverse_name()), address);
    }
    for (std::string_view text : {"3.2.1.in-addr.arpa", "x.3.2.1.in-addr.arpa", "256.3.2.1.in-addr.arpa",
                                  "04.3.2.1.in-addr.arpa", ".in-addr.arpa", "1.0.ip6.arpa", "arpa"})
        EXPECT_EQ(address_of_reverse_name(text), std::nullopt) << text;
}

TEST_F(DnsNames, ReverseAnswersNameTheNetwork) {
    front_->add(endpoint("a", {"Web", "alias"}, {"10.0.0.1"}));
    EXPECT_EQ(view_.name_of(ips({"10.0.0.1"})[0]), "Web.Front");
    EXPECT_THAT(ask("1.0.0.10.in-addr.arpa", kPtr).data(), ElementsAre("web.front"));
    EXPECT_EQ(ask("2.0.0.10.in-addr.arpa", kPtr).id, 0) << "asked for elsewhere";
    // A new endpoint may have the address before the old one has gone.
    front_->add(endpoint("b", {"next"}, {"10.0.0.1"}));
    front_->remove("a");
    EXPECT_EQ(view_.name_of(ips({"10.0.0.1"})[0]), "next.Front");
}

TEST_F(DnsNames, WhatANameHasNotIsEmptyNotUnknown) {
    front_->add(endpoint("a", {"web"}, {"10.0.0.1"}));
    for (uint16_t type : {uint16_t{kAaaa}, uint16_t{15}, uint16_t{16}, uint16_t{65}}) {
        Reply reply = ask("web", type);
        EXPECT_EQ(reply.id, 0x1234);
        EXPECT_EQ(reply.code(), 0);
        EXPECT_THAT(reply.answers, IsEmpty());
        ASSERT_THAT(reply.authority, SizeIs(1)) << "or it would not be kept";
        EXPECT_EQ(reply.authority[0].type, kSoa);
    }
    EXPECT_EQ(ask("other", kAaaa).id, 0);
    EXPECT_EQ(ask("x.web", kA).id, 0);
}

TEST_F(DnsNames, AnyIsBothFamilies) {
    front_->add(endpoint("a", {"web"}, {"10.0.0.1", "fd00::1"}));
    Reply reply = ask("WEB", kAny, 1232);
    EXPECT_EQ(reply.question, "WEB.");
    EXPECT_THAT(reply.data(), ElementsAre("10.0.0.1", "fd00::1"));
    EXPECT_EQ(reply.answers[0].ttl, 5u);
    ASSERT_THAT(reply.additional, SizeIs(1));
    EXPECT_EQ(reply.additional[0].type, kOpt);
}

TEST_F(DnsNames, Services) {
    DnsEndpoint one = endpoint("a", {"one", "web"}, {"10.0.0.1"});
    one.ports = {{Protocol::tcp, 80}, {Protocol::udp, 53}};
    DnsEndpoint two = endpoint("b", {"two", "web"}, {"10.0.0.2"});
    two.ports = {{Protocol::tcp, 80}};
    front_->add(one);
    front_->add(two);
    Reply reply = ask("_80._tcp.web", kSrv);
    EXPECT_THAT(reply.data(), ElementsAre("80 one", "80 two"));
    ASSERT_THAT(reply.additional, SizeIs(2));
    EXPECT_EQ(reply.additional[1].owner, "two");
    EXPECT_EQ(reply.additional[1].data, "10.0.0.2");
    EXPECT_THAT(ask("_53._udp.web.front", kSrv).data(), ElementsAre("53 one"));
    EXPECT_EQ(ask("_81._tcp.web", kSrv).code(), 3);
    EXPECT_THAT(ask("_81._tcp.web", kSrv).authority, SizeIs(1));
    EXPECT_EQ(ask("_80._tcp.other", kSrv).id, 0);
    EXPECT_EQ(ask("_dmarc.web", kSrv).id, 0);
}

TEST_F(DnsNames, AnAnswerThatDoesNotFitIsCutBetweenRecords) {
    for (int i = 1; i <= 60; ++i)
        front_->add(endpoint(std::to_string(i), {"web"}, {"10.0.0." + std::to_string(i)}));
    Reply plain = ask("web", kA);
    EXPECT_TRUE(plain.is_truncated());
    EXPECT_THAT(plain.answers, SizeIs((512 - 12 - 9) / 16));
    Reply edns = ask("web", kA, 1232);
    EXPECT_FALSE(edns.is_truncated());
    EXPECT_THAT(edns.answers, SizeIs(60));
}

TEST_F(DnsNames, NetworksThatNobodyNeedsAreForgotten) {
    front_->add(endpoint("a", {"web"}, {"10.0.0.1"}));
    front_.reset();
    back_.reset();
    names_.prune();
    EXPECT_EQ(names_.size(), 2u) << "the client sees them";
    view_.networks.clear();
    names_.prune();
    EXPECT_EQ(names_.size(), 1u);
    names_.find("1")->remove("a");
    names_.prune();
    EXPECT_EQ(names_.size(), 0u);
}

}  // namespace
}  // namespace berth::net::dns
