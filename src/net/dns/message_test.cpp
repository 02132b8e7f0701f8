// SPDX-License-Identifier: Apache-2.0
#include "net/dns/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "net/dns/answer.h"
#include "net/dns/message_fixture.h"

namespace berth::net::dns {
namespace {

using testing::ElementsAre;

std::optional<Rcode> parse(const Bytes& bytes, Query* into = nullptr) {
    // On the heap, to its last byte, so that sanitizers see a read past the end.
    Bytes exact(bytes);
    exact.shrink_to_fit();
    Query parsed;
    return parse_query(exact, into != nullptr ? *into : parsed);
}

std::optional<std::string> name_at(Bytes bytes, size_t at) {
    Name name;
    if (!read_name(bytes, at, &name)) return std::nullopt;
    return std::string(name.text());
}

TEST(DnsMessage, ParsesAQuery) {
    Query parsed;
    ASSERT_EQ(parse(query("Web.Example", kAaaa, 7, 4096), &parsed), Rcode::ok);
    EXPECT_EQ(parsed.id, 7);
    EXPECT_EQ(parsed.name.text(), "web.example");
    EXPECT_TRUE(parsed.name.is_plain());
    EXPECT_EQ(parsed.type, kAaaa);
    EXPECT_EQ(parsed.udp_size, 4096);
    EXPECT_TRUE(parsed.has_edns);
    ASSERT_EQ(parse(query("web", kA, 7, 100), &parsed), Rcode::ok);
    EXPECT_EQ(parsed.udp_size, 512) << "RFC 6891: less is taken as 512";
}

TEST(DnsMessage, NamesWhoseTextIsNotTheirOwnAreNotPlain) {
    Bytes bytes = query("aXb", kA);
    bytes[14] = '.';
    Query parsed;
    ASSERT_EQ(parse(bytes, &parsed), Rcode::ok);
    EXPECT_FALSE(parsed.name.is_plain());
}

TEST(DnsMessage, SaysWhatIsWrong) {
    Bytes whole = query("web.example", kA, 1, 1232);
    for (size_t size = 0; size < whole.size(); ++size) {
        Bytes part(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
        std::optional<Rcode> code = parse(part);
        if (size < 2)
            EXPECT_EQ(code, std::nullopt);
        else
            EXPECT_EQ(code, Rcode::format_error) << size;
    }
    Bytes response = whole;
    response[2] |= 0x80;
    EXPECT_EQ(parse(response), std::nullopt) << "answering answers would never end";
    Bytes notify = whole;
    notify[2] |= 4 << 3;
    EXPECT_EQ(parse(notify), Rcode::not_implemented);
    for (uint8_t count : {0, 2}) {
        Bytes bytes = whole;
        bytes[5] = count;
        EXPECT_EQ(parse(bytes), Rcode::format_error);
    }
    Bytes version = whole;
    version[version.size() - 5] = 1;
    EXPECT_EQ(parse(version), Rcode::bad_version);
    Bytes two = whole;
    two[11] = 2;
    two.insert(two.end(), whole.end() - 11, whole.end());
    EXPECT_EQ(parse(two), Rcode::format_error);
}

TEST(DnsMessage, HostileNamesEnd) {
    Bytes header(kHeaderSize);
    auto with = [&](Bytes name) {
        Bytes bytes = header;
        bytes.insert(bytes.end(), name.begin(), name.end());
        return bytes;
    };
    EXPECT_EQ(name_at(with({1, 'a', 0}), 12), "a");
    EXPECT_EQ(name_at(with({1, 'a', 0, 1, 'b', 0xc0, 12}), 15), "b.a");
    EXPECT_EQ(name_at(with({0xc0, 12}), 12), std::nullopt) << "to itself";
    EXPECT_EQ(name_at(with({1, 'a', 0xc0, 12}), 12), std::nullopt) << "to its own beginning";
    EXPECT_EQ(name_at(with({0xc0, 14, 0xc0, 12}), 12), std::nullopt) << "forward";
    EXPECT_EQ(name_at(with({0xc0, 14, 0xc0, 12}), 14), std::nullopt) << "there and back";
    EXPECT_EQ(name_at(with({0xc0, 3}), 12), std::nullopt) << "into the header";
    EXPECT_EQ(name_at(with({0xc0}), 12), std::nullopt);
    EXPECT_EQ(name_at(with({0x41, 'a', 0}), 12), std::nullopt);
    EXPECT_EQ(name_at(with({0x81, 'a', 0}), 12), std::nullopt);
    EXPECT_EQ(name_at(with({5, 'a'}), 12), std::nullopt);
    EXPECT_EQ(name_at(with({1, 'a'}), 12), std::nullopt);
    EXPECT_EQ(name_at(header, 12), std::nullopt);
    Bytes longest;
    for (int i = 0; i < 127; ++i) longest.insert(longest.end(), {1, 'a'});
    longest.push_back(0);
    EXPECT_EQ(name_at(with(longest), 12)->size(), 253u);
    longest.insert(longest.begin(), {1, 'a'});
    EXPECT_EQ(name_at(with(longest), 12), std::nullopt);
    // Too long by way of pointers.
    Bytes chain = with(longest);
    size_t at = chain.size();
    chain.insert(chain.end(), {1, 'b', 0xc0, 12});
    EXPECT_EQ(name_at(chain, at), std::nullopt);
}

TEST(DnsMessage, RandomBytesDoNoHarm) {
    std::mt19937 random(5);
    View view;
    view.own_names.emplace_back("web", std::vector{*IpAddress::parse("10.0.0.1")});
    Answerer answerer(5);
    Bytes valid = query("web", kA, 1, 1232), out(4096);
    for (int round = 0; round < 50'000; ++round) {
        Bytes bytes = valid;
        if (round % 2 == 0) bytes.resize(random() % 64);
        for (unsigned changes = 1 + random() % 8; changes > 0 && !bytes.empty(); --changes)
            bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
        Query parsed;
        std::optional<Rcode> code = parse(bytes, &parsed);
        if (!code) continue;
        size_t size = *code == Rcode::ok ? answerer.answer(view, bytes, parsed, out, parsed.udp_size)
                                         : write_failure(bytes, parsed, *code, out);
        if (size != 0) {
            EXPECT_EQ(parse_reply(Packet(out).first(size)).id, parsed.id);
        }
    }
}

TEST(DnsMessage, WritesNamesOnce) {
    Bytes bytes = query("_80._tcp.web.net", kSrv, 9);
    Query parsed;
    ASSERT_EQ(parse(bytes, &parsed), Rcode::ok);
    Bytes out(512);
    Writer writer(out, 512);
    writer.begin(bytes, parsed, Rcode::ok);
    EXPECT_TRUE(writer.answer_service(80, "Web.net", 5));
    size_t before = writer.finish();
    EXPECT_TRUE(writer.additional_address("web.NET", *IpAddress::parse("10.0.0.1"), 5));
    size_t size = writer.finish();
    EXPECT_EQ(size - before, 16u) << "the owner is a pointer";
    Reply reply = parse_reply(Packet(out).first(size));
    EXPECT_THAT(reply.data(), ElementsAre("80 web.net"));
    ASSERT_EQ(reply.additional.size(), 1u);
    EXPECT_EQ(reply.additional[0].owner, "web.net");
    EXPECT_EQ(reply.additional[0].data, "10.0.0.1");
}

TEST(DnsMessage, ARepeatedLabelIsNoLoop) {
    Bytes bytes = query("1.0.0.10.in-addr.arpa", kPtr);
    Query parsed;
    ASSERT_EQ(parse(bytes, &parsed), Rcode::ok);
    Bytes out(512, 0xc0);
    Writer writer(out, 512);
    writer.begin(bytes, parsed, Rcode::ok);
    EXPECT_TRUE(writer.answer_pointer("a.a.a.a", 5));
    EXPECT_TRUE(writer.answer_pointer("b.a.a", 5));
    EXPECT_FALSE(writer.answer_pointer(std::string(64, 'x'), 5)) << "no label is that long";
    EXPECT_FALSE(writer.answer_pointer("a..b", 5));
    Reply reply = parse_reply(Packet(out).first(writer.finish()));
    EXPECT_THAT(reply.data(), ElementsAre("a.a.a.a", "b.a.a"));
}

TEST(DnsMessage, KnowsItsAnswer) {
    Bytes asked = query("Web.example", kA, 5);
    Query parsed;
    ASSERT_EQ(parse(asked, &parsed), Rcode::ok);
    Bytes answer = query("wEB.example", kA, 9);
    answer[2] |= 0x80;
    auto is_answer = [&](const Bytes& bytes, uint16_t id = 9) {
        return answers(bytes, asked, parsed.question_end, id);
    };
    EXPECT_TRUE(is_answer(answer));
    EXPECT_FALSE(is_answer(answer, 10));
    Bytes other = answer;
    other[14] = 'x';
    EXPECT_FALSE(is_answer(other));
    other = answer;
    other[parsed.question_end - 3] = kAaaa;
    EXPECT_FALSE(is_answer(other));
    other = answer;
    other[2] &= 0x7f;
    EXPECT_FALSE(is_answer(other));
    other = answer;
    other.resize(parsed.question_end - 1);
    EXPECT_FALSE(is_answer(other));
    other.resize(3);
    EXPECT_FALSE(is_answer(other));
}

}  // namespace
}  // namespace berth::net::dns
