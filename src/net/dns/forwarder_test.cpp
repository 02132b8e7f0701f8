// SPDX-License-Identifier: Apache-2.0
#include "net/dns/forwarder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <atomic>
#include <set>

#include "net/dns/server_fixture.h"
#include "net/link.h"

namespace berth::net {
namespace {

using namespace std::chrono_literals;
using dns::kA;
using dns::parse_reply;
using dns::query;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class DnsForwarderTest : public DnsServerTest {};

TEST_F(DnsForwarderTest, AsksTheHostsResolverForOtherNames) {
    write_resolv_conf("# ours\nnameserver 127.0.0.1\noptions edns0\n");
    OtherServer upstream("127.0.0.1", always("93.184.216.34"));
    open();
    for (uint16_t id : {uint16_t{1}, uint16_t{2}, uint16_t{3}}) {
        Reply reply = ask(query("Www.Example.COM", kA, id, 1232));
        EXPECT_EQ(reply.id, id);
        EXPECT_EQ(reply.question, "Www.Example.COM.");
        EXPECT_THAT(reply.data(), ElementsAre("93.184.216.34"));
        EXPECT_EQ(reply.answers.at(0).ttl, 60u);
    }
    EXPECT_THAT(ask_by_tcp(query("other.example", kA)).data(), ElementsAre("93.184.216.34"));
    auto asked = upstream.asked();
    ASSERT_THAT(asked, SizeIs(4));
    EXPECT_TRUE(asked[0].query.has_edns) << "a query passes as it is";
    std::set<uint16_t> ids{1, 2, 3};
    for (const auto& one : asked) ids.insert(one.query.id);
    EXPECT_GT(ids.size(), 4u) << "ids are random";
}

TEST_F(DnsForwarderTest, SourcePortsChange) {
    write_resolv_conf("nameserver 127.0.0.1\n");
    OtherServer upstream("127.0.0.1", always("1.1.1.1"));
    open();
    std::set<uint16_t> ports;
    for (int i = 0; i < 250; ++i) ask("example.com");
    for (const auto& one : upstream.asked()) ports.insert(one.port);
    EXPECT_GE(ports.size(), 3u);
    EXPECT_LT(ports.size(), 20u) << "not each query makes a socket";
}

TEST_F(DnsForwarderTest, ResolvConfIsReadAnewWhenItChanges) {
    write_resolv_conf("nameserver 127.0.0.1\n");
    OtherServer one("127.0.0.1", always("1.1.1.1")), two("127.0.0.2", always("2.2.2.2"));
    open();
    EXPECT_THAT(ask("example.com").data(), ElementsAre("1.1.1.1"));
    write_resolv_conf("nameserver 127.0.0.2\nnameserver 127.0.0.1\n");
    EXPECT_THAT(ask("example.com").data(), ElementsAre("2.2.2.2"));
    ::unlink(resolv_conf_.c_str());
    EXPECT_THAT(ask("example.com").data(), ElementsAre("2.2.2.2"));
    write_resolv_conf("search nowhere\n");
    EXPECT_THAT(ask("example.com").data(), ElementsAre("1.1.1.1")) << "resolv.conf(5): the local one";
}

TEST_F(DnsForwarderTest, NobodyToAsk) {
    write_resolv_conf("nameserver 127.0.0.1\n");
    open();
    Reply reply = ask(query("Example.com", kA, 3, 1232));
    EXPECT_EQ(reply.id, 3);
    EXPECT_EQ(reply.question, "Example.com.");
    EXPECT_EQ(reply.code(), 2);
    EXPECT_EQ(ask_by_tcp(query("example.com", kA)).code(), 2);
}

TEST_F(DnsForwarderTest, OtherPeoplesAnswersAreDropped) {
    write_resolv_conf("nameserver 127.0.0.1\n");
    auto handler = [](const OtherServer::Asked& asked) {
        Bytes right = answer_to(asked, "1.1.1.1");
        Bytes wrong_id = answer_to(asked, "6.6.6.6"), wrong_name = wrong_id, wrong_type = wrong_id;
        wrong_id[0] ^= 1;
        wrong_name[13] ^= 1;
        wrong_type[asked.query.question_end - 3] ^= 1;
        Bytes no_answer(asked.packet), cut(right.begin(), right.begin() + 5);
        return OtherServer::Answers{wrong_id, wrong_name, wrong_type, no_answer, cut, right};
    };
    OtherServer upstream("127.0.0.1", handler);
    open();
    EXPECT_THAT(ask("example.com").data(), ElementsAre("1.1.1.1"));
    EXPECT_THAT(ask("example.com").data(), ElementsAre("1.1.1.1"));
}

TEST_F(DnsForwarderTest, ALostPacketIsSentAgain) {
    start(100ms);
    write_resolv_conf("nameserver 127.0.0.1\n");
    int count = 0;
    auto handler = [&](const OtherServer::Asked& asked) {
        return ++count == 1 ? OtherServer::Answers{} : OtherServer::Answers{answer_to(asked, "1.1.1.1")};
    };
    OtherServer upstream("127.0.0.1", handler);
    open();
    EXPECT_THAT(ask("example.com").data(), ElementsAre("1.1.1.1"));
}

TEST_F(DnsForwarderTest, TheNextServerIsAskedWhereOneFails) {
    start(100ms);
    write_resolv_conf("nameserver 127.0.0.1\nnameserver 127.0.0.2\nnameserver 127.0.0.3\n");
    std::atomic<bool> is_silent = false;
    auto first = [&](const OtherServer::Asked& asked) {
        if (is_silent) return OtherServer::Answers{};
        return OtherServer::Answers{answer_to(asked, "", dns::Rcode::server_failure)};
    };
    // Nothing listens at 127.0.0.2.
    OtherServer one("127.0.0.1", first), three("127.0.0.3", always("3.3.3.3"));
    open();
    EXPECT_THAT(ask("a.example").data(), ElementsAre("3.3.3.3"));
    is_silent = true;
    EXPECT_THAT(ask("b.example").data(), ElementsAre("3.3.3.3"));
    // From now on the one that answers is asked first.
    size_t before = one.asked().size();
    EXPECT_THAT(ask("c.example").data(), ElementsAre("3.3.3.3"));
    EXPECT_EQ(one.asked().size(), before);
}

TEST_F(DnsForwarderTest, AFailureIsPassedOnWhereNobodyKnowsBetter) {
    write_resolv_conf("nameserver 127.0.0.1\nnameserver 127.0.0.2\n");
    OtherServer one("127.0.0.1", always("", dns::Rcode::refused));
    open();
    EXPECT_EQ(ask("example.com").code(), 5);
    EXPECT_EQ(ask_by_tcp(query("example.com", kA)).code(), 5);
}

TEST_F(DnsForwarderTest, TruncatedAnswersAreFetchedByTcp) {
    write_resolv_conf("nameserver 127.0.0.1\n");
    auto handler = [](const OtherServer::Asked& asked) {
        return OtherServer::Answers{
            answer_to(asked, "1.1.1.1", dns::Rcode::ok, asked.by_tcp ? 100 : 3, !asked.by_tcp)};
    };
    OtherServer upstream("127.0.0.1", handler);
    open();
    Reply plain = ask("example.com");
    EXPECT_TRUE(plain.is_truncated());
    EXPECT_THAT(plain.answers, SizeIs(3)) << "for those who can't ask by TCP";
    EXPECT_THAT(upstream.asked(), SizeIs(1));
    Reply whole = ask_by_tcp(query("example.com", kA, 77));
    EXPECT_EQ(whole.id, 77);
    EXPECT_FALSE(whole.is_truncated());
    EXPECT_THAT(whole.answers, SizeIs(100));
    EXPECT_THAT(ask(query("example.com", kA, 1, 4096)).answers, SizeIs(100));
}

TEST_F(DnsForwarderTest, AnAnswerTooBigForTheClientIsCut) {
    write_resolv_conf("nameserver 127.0.0.1\n");
    auto handler = [](const OtherServer::Asked& asked) {
        return OtherServer::Answers{answer_to(asked, "1.1.1.1", dns::Rcode::ok, 100)};
    };
    OtherServer upstream("127.0.0.1", handler);
    open();
    Reply reply = ask("example.com");
    EXPECT_TRUE(reply.is_truncated());
    EXPECT_EQ(reply.question, "example.com.");
    EXPECT_THAT(ask_by_tcp(query("example.com", kA)).answers, SizeIs(100));
}

TEST_F(DnsForwarderTest, ServersOfTheContainerAreAskedFromItsNamespace) {
    {
        NamespaceScope inside(container_.get());
        add_address("lo", *Prefix::parse("10.9.9.9/32"));
    }
    std::optional<OtherServer> upstream;
    {
        NamespaceScope inside(container_.get());
        upstream.emplace("10.9.9.9", always("9.9.9.9"));
    }
    write_resolv_conf("nameserver 127.0.0.1\n");
    OtherServer hosts("127.0.0.1", always("1.1.1.1"));
    DnsClient with_server = client();
    with_server.servers = {"10.9.9.9"};
    with_server.is_internal = true;
    open(std::move(with_server));
    EXPECT_THAT(ask("example.com").data(), ElementsAre("9.9.9.9")) << "its own network may have a server";
    EXPECT_THAT(hosts.asked(), IsEmpty());
    DnsClient with_loopback = client();
    with_loopback.servers = {"127.0.0.1"};
    wait(server_->update(std::move(with_loopback)));
    EXPECT_THAT(ask("example.com").data(), ElementsAre("1.1.1.1")) << "loopback is the host's";
}

TEST_F(DnsForwarderTest, InternalContainersGetNoAnswersFromOutside) {
    write_resolv_conf("nameserver 127.0.0.1\n");
    OtherServer upstream("127.0.0.1", always("1.1.1.1"));
    DnsClient internal = client();
    internal.is_internal = true;
    open(std::move(internal));
    add("1", {"web"}, "10.0.0.1");
    EXPECT_EQ(ask("example.com").code(), 2);
    EXPECT_THAT(ask("web").data(), ElementsAre("10.0.0.1"));
    EXPECT_THAT(upstream.asked(), IsEmpty());
}

TEST_F(DnsForwarderTest, ManyQuestionsAreUnderWayAtOnce) {
    write_resolv_conf("nameserver 127.0.0.1\n");
    constexpr size_t kCount = 200;
    OtherServer upstream("127.0.0.1", always("1.1.1.1"));
    open();
    UniqueFd socket = udp();
    for (uint16_t id = 0; id < kCount; ++id) send_bytes(socket.get(), query("example.com", kA, id));
    std::set<uint16_t> answered;
    for (size_t i = 0; i < kCount; ++i) answered.insert(parse_reply(receive_packet(socket.get())).id);
    EXPECT_THAT(answered, SizeIs(kCount));
}

TEST_F(DnsForwarderTest, ClosesWithQuestionsUnderWay) {
    write_resolv_conf("nameserver 127.0.0.1\n");
    UniqueFd arrived(sys::check(::eventfd(0, EFD_CLOEXEC), "eventfd"));
    auto handler = [&](const OtherServer::Asked&) {
        (void)!::eventfd_write(arrived.get(), 1);
        return OtherServer::Answers{};
    };
    OtherServer upstream("127.0.0.1", handler);
    open();
    UniqueFd by_udp = udp(), by_tcp = tcp();
    eventfd_t count = 0;
    send_bytes(by_udp.get(), query("a.example", kA));
    ASSERT_EQ(::eventfd_read(arrived.get(), &count), 0);
    send_bytes(by_tcp.get(), framed(query("b.example", kA)));
    ASSERT_EQ(::eventfd_read(arrived.get(), &count), 0);
    wait(server_->close("c"));
    EXPECT_THAT(receive_framed(by_tcp.get()), IsEmpty());
    // Another one of the same name, and its end with the server's.
    open();
    UniqueFd again = udp();
    send_bytes(again.get(), query("c.example", kA));
    ASSERT_EQ(::eventfd_read(arrived.get(), &count), 0);
}

}  // namespace
}  // namespace berth::net
