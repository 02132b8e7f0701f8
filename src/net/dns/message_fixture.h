// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "net/dns/message.h"

/// Queries and answers as tests write and read them.
namespace berth::net::dns {

using Bytes = std::vector<uint8_t>;

inline void append16(Bytes& bytes, uint16_t value) {
    bytes.push_back(static_cast<uint8_t>(value >> 8));
    bytes.push_back(static_cast<uint8_t>(value));
}

inline Bytes wire_name(std::string_view name) {
    Bytes bytes;
    for (std::string_view label : split(name, '.')) {
        bytes.push_back(static_cast<uint8_t>(label.size()));
        bytes.insert(bytes.end(), label.begin(), label.end());
    }
    bytes.push_back(0);
    return bytes;
}

/// `udp_size` 0: without EDNS.
inline Bytes query(std::string_view name, uint16_t type, uint16_t id = 0x1234, uint16_t udp_size = 0,
                   uint16_t klass = kInternet) {
    Bytes bytes;
    append16(bytes, id);
    for (int value : {kRecursionDesired + 0, 1, 0, 0, udp_size == 0 ? 0 : 1})
        append16(bytes, static_cast<uint16_t>(value));
    Bytes wire = wire_name(name);
    bytes.insert(bytes.end(), wire.begin(), wire.end());
    append16(bytes, type);
    append16(bytes, klass);
    if (udp_size == 0) return bytes;
    bytes.push_back(0);
    append16(bytes, kOpt);
    append16(bytes, udp_size);
    bytes.insert(bytes.end(), {0, 0, 0, 0, 0, 0});
    return bytes;
}

struct Record {
    std::string owner;
    uint16_t type = 0;
    uint32_t ttl = 0;
    std::string data;  ///< an address, a name ("80 web" for SRV), else nothing
};

struct Reply {
    uint16_t id = 0, flags = 0;
    std::string question;  ///< with the letters' case
    std::vector<Record> answers, authority, additional;

    int code() const { return flags & kRcode; }
    bool is_truncated() const { return (flags & kTruncated) != 0; }
    std::vector<std::string> data() const {
        std::vector<std::string> result;
        for (const Record& record : answers) result.push_back(record.data);
        return result;
    }
};

inline std::string data_of(Packet packet, uint16_t type, size_t at, size_t length) {
    Name name;
    if (type == kA || type == kAaaa) {
        IpAddress address;
        address.family = type == kA ? Family::v4 : Family::v6;
        EXPECT_EQ(length, type == kA ? 4u : 16u);
        std::copy_n(packet.begin() + static_cast<ptrdiff_t>(at), length, address.bytes.begin());
        return address.text();
    }
    std::string before;
    if (type == kSrv) {
        before = std::to_string(get16(packet, at + 4)) + " ";
        at += 6;
    }
    if (type != kSrv && type != kPtr) return "";
    EXPECT_TRUE(read_name(packet, at, &name));
    return before + std::string(name.text());
}

inline Reply parse_reply(Packet packet) {
    Reply reply;
    EXPECT_GE(packet.size(), kHeaderSize);
    if (packet.size() < kHeaderSize) return reply;
    reply.id = get16(packet, 0);
    reply.flags = get16(packet, 2);
    EXPECT_TRUE(reply.flags & kResponse);
    size_t at = kHeaderSize;
    if (get16(packet, 4) == 1) {
        EXPECT_TRUE(read_name(packet, at, nullptr));
        for (size_t i = kHeaderSize; packet[i] != 0; i += 1 + packet[i])
            reply.question += std::string(packet.begin() + static_cast<ptrdiff_t>(i) + 1,
                                          packet.begin() + static_cast<ptrdiff_t>(i) + 1 + packet[i]) +
                              ".";
        at += 4;
    }
    size_t section = 0;
    for (auto* records : {&reply.answers, &reply.authority, &reply.additional}) {
        for (size_t left = get16(packet, 6 + 2 * section); left > 0; --left) {
            Name name;
            EXPECT_TRUE(read_name(packet, at, &name));
            EXPECT_GE(packet.size(), at + 10);
            Record record;
            record.owner = name.text();
            record.type = get16(packet, at);
            record.ttl = uint32_t{get16(packet, at + 4)} << 16 | get16(packet, at + 6);
            size_t length = get16(packet, at + 8);
            at += 10;
            EXPECT_GE(packet.size(), at + length);
            record.data = data_of(packet, record.type, at, length);
            at += length;
            records->push_back(record);
        }
        ++section;
    }
    EXPECT_EQ(at, packet.size());
    return reply;
}

}  // namespace berth::net::dns
