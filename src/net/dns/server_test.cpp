// SPDX-License-Identifier: Apache-2.0
#include "net/dns/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "net/dns/server_fixture.h"

namespace berth::net {
namespace {

using dns::kA;
using dns::kAaaa;
using dns::parse_reply;
using dns::query;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(DnsServerTest, AnswersByUdpAndTcp) {
    open();
    add("1", {"Web", "alias"}, "10.0.0.1");
    for (bool by_tcp : {false, true}) {
        Bytes packet = query("wEB", kA, 0xabcd);
        Reply reply = by_tcp ? ask_by_tcp(packet) : ask(packet);
        EXPECT_EQ(reply.id, 0xabcd);
        EXPECT_EQ(reply.question, "wEB.");
        EXPECT_EQ(reply.code(), 0);
        EXPECT_THAT(reply.data(), ElementsAre("10.0.0.1"));
        EXPECT_EQ(reply.answers.at(0).ttl, 5u);
    }
    Reply none = ask("web", kAaaa);
    EXPECT_EQ(none.code(), 0);
    EXPECT_THAT(none.answers, IsEmpty());
    EXPECT_THAT(none.authority, SizeIs(1));
}

TEST_F(DnsServerTest, FollowsWhatChanges) {
    open(client("c", {"net"}));
    add("1", {"web"}, "10.0.0.1");
    add("2", {"web"}, "10.0.0.2");
    add("9", {"far"}, "10.9.0.1", "other");
    EXPECT_THAT(ask("web").data(), ElementsAre("10.0.0.1", "10.0.0.2"));
    EXPECT_THAT(ask("web").data(), ElementsAre("10.0.0.2", "10.0.0.1"));
    wait(server_->remove("net", "1"));
    EXPECT_THAT(ask("web").data(), ElementsAre("10.0.0.2"));
    DnsClient both = client("c", {"net", "other"});
    both.own_names.emplace_back("db", std::vector{ip("10.0.0.2")});
    wait(server_->update(std::move(both)));
    EXPECT_THAT(ask("far").data(), ElementsAre("10.9.0.1"));
    EXPECT_THAT(ask("far.other").data(), ElementsAre("10.9.0.1"));
    EXPECT_THAT(ask("db").data(), ElementsAre("10.0.0.2"));
    EXPECT_THAT(ask("1.0.9.10.in-addr.arpa", dns::kPtr).data(), ElementsAre("far.other"));
    wait(server_->add_name("net", "web.service", {ip("10.0.0.100")}));
    EXPECT_THAT(ask("web.service").data(), ElementsAre("10.0.0.100"));
    wait(server_->remove_name("net", "web.service"));
    wait(server_->close("c"));
    UniqueFd socket = udp();
    send_bytes(socket.get(), query("web", kA));
    char byte;
    EXPECT_EQ(::recv(socket.get(), &byte, 1, 0), -1);
    EXPECT_EQ(errno, ECONNREFUSED);
}

TEST_F(DnsServerTest, RefusesWhatItDoesNotServe) {
    open();
    add("1", {"web"}, "10.0.0.1");
    EXPECT_EQ(ask(query("version.bind", 16, 1, 0, 3)).code(), 5);
    EXPECT_EQ(ask(query("web", dns::kAxfr)).code(), 5);
    Bytes update = query("web", kA);
    update[2] |= 5 << 3;
    EXPECT_EQ(ask(update).code(), 4);
    EXPECT_EQ(ask({7, 7, 1}).id, 0x0707);
    EXPECT_EQ(ask({7, 7, 1}).code(), 1);
    Bytes loop = query("web", kA);
    loop[12] = 0xc0;
    loop[13] = 12;
    EXPECT_EQ(ask(loop).code(), 1);
    Bytes big = query("web", kA);
    big.resize(8000);
    big[10] = 0x10;  // more records than there is room for
    EXPECT_EQ(ask(big).code(), 1);
    // No answer at all: the next one is that of the next query.
    UniqueFd socket = udp();
    send_bytes(socket.get(), {7});
    Bytes response = query("web", kA, 1);
    response[2] |= 0x80;
    send_bytes(socket.get(), response);
    send_bytes(socket.get(), query("web", kA, 2));
    EXPECT_EQ(parse_reply(receive_packet(socket.get())).id, 2);
}

TEST_F(DnsServerTest, WhatDoesNotFitComesByTcp) {
    open();
    for (int i = 1; i <= 100; ++i) add(std::to_string(i), {"web"}, "10.0.0." + std::to_string(i));
    Reply plain = ask("web");
    EXPECT_TRUE(plain.is_truncated());
    EXPECT_THAT(plain.answers, SizeIs(testing::AllOf(testing::Gt(20u), testing::Lt(40u))));
    EXPECT_THAT(ask(query("web", kA, 1, 4096)).answers, SizeIs(100));
    Reply whole = ask_by_tcp(query("web", kA));
    EXPECT_FALSE(whole.is_truncated());
    EXPECT_THAT(whole.answers, SizeIs(100));
}

TEST_F(DnsServerTest, ManyAnswersAtOnce) {
    DnsSockets sockets = make_dns_sockets(container_.get());
    udp_port_ = port_of(sockets.udp.get());
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(udp());
    // All of them wait when the server comes, in several batches; answers of several sizes. No more than a
    // socket holds.
    for (uint16_t id = 0; id < 60; ++id)
        for (UniqueFd& one : clients) send_bytes(one.get(), query(id % 3 == 0 ? "web" : "other", kA, id));
    add("1", {"web"}, "10.0.0.1");
    add("2", {"other"}, "10.0.0.2");
    wait(server_->open(client(), std::move(sockets)));
    for (UniqueFd& one : clients) {
        std::set<uint16_t> ids;
        for (int i = 0; i < 60; ++i) {
            Reply reply = parse_reply(receive_packet(one.get()));
            EXPECT_EQ(reply.question, reply.id % 3 == 0 ? "web." : "other.");
            EXPECT_THAT(reply.data(), ElementsAre(reply.id % 3 == 0 ? "10.0.0.1" : "10.0.0.2"));
            ids.insert(reply.id);
        }
        EXPECT_THAT(ids, SizeIs(60));
    }
}

TEST_F(DnsServerTest, AConnectionTakesManyQueries) {
    open();
    add("1", {"web"}, "10.0.0.1");
    UniqueFd socket = tcp();
    Bytes all;
    for (uint16_t id = 0; id < 500; ++id) {
        Bytes one = framed(query("web", kA, id));
        all.insert(all.end(), one.begin(), one.end());
    }
    send_bytes(socket.get(), all);
    for (uint16_t id = 0; id < 500; ++id) EXPECT_EQ(parse_reply(receive_framed(socket.get())).id, id);
    ::shutdown(socket.get(), SHUT_WR);
    EXPECT_THAT(receive_framed(socket.get()), IsEmpty());
    // Too long a query: the connection ends.
    UniqueFd other = tcp();
    send_bytes(other.get(), {0xff, 0xff, 1, 2, 3});
    EXPECT_THAT(receive_framed(other.get()), IsEmpty());
}

TEST_F(DnsServerTest, AConnectionTakesMoreForwardedQueriesThanItWaitsFor) {
    OtherServer other("127.0.0.1", always("192.0.2.1"));
    write_resolv_conf("nameserver 127.0.0.1\n");
    open();
    UniqueFd socket = tcp();
    Bytes all;
    for (uint16_t id = 0; id < 100; ++id) {
        Bytes one = framed(query("example.com", kA, id));
        all.insert(all.end(), one.begin(), one.end());
    }
    send_bytes(socket.get(), all);
    std::set<uint16_t> ids;
    for (int i = 0; i < 100; ++i) ids.insert(parse_reply(receive_framed(socket.get())).id);
    EXPECT_THAT(ids, SizeIs(100));
}

TEST_F(DnsServerTest, MoreConnectionsThanAllowedWait) {
    open();
    add("1", {"web"}, "10.0.0.1");
    std::vector<UniqueFd> sockets;
    for (int i = 0; i < 20; ++i) sockets.push_back(tcp());
    send_bytes(sockets.back().get(), framed(query("web", kA, 7)));
    EXPECT_EQ(ask("web").code(), 0);
    sockets.erase(sockets.begin(), sockets.begin() + 16);
    EXPECT_EQ(parse_reply(receive_framed(sockets.back().get())).id, 7);
}

TEST_F(DnsServerTest, QueriesWaitOutARestart) {
    DnsSockets sockets = make_dns_sockets(container_.get());
    udp_port_ = port_of(sockets.udp.get());
    DnsSockets parked{sockets.udp.duplicate(), sockets.tcp.duplicate()};
    wait(server_->open(client(), std::move(sockets)));
    add("1", {"web"}, "10.0.0.1");
    EXPECT_EQ(ask("web").code(), 0);
    server_.reset();
    UniqueFd socket = udp();
    send_bytes(socket.get(), query("web", kA, 42));
    start();
    add("1", {"web"}, "10.0.0.1");
    wait(server_->open(client(), std::move(parked)));
    EXPECT_EQ(parse_reply(receive_packet(socket.get())).id, 42);
}

}  // namespace
}  // namespace berth::net
