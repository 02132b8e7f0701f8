// SPDX-License-Identifier: Apache-2.0
#include "net/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <limits>

#include "base/error.h"
#include "base/strings.h"

namespace berth::net {

namespace {

/// An address with the first `length` bits of `address` and the others all zeros or all ones.
IpAddress with_host_part(const IpAddress& address, unsigned length, bool ones) {
    IpAddress result = address;
    unsigned bytes = address.bits() / 8;
    for (unsigned i = 0; i < bytes; ++i) {
        unsigned kept = length <= i * 8 ? 0 : std::min(8U, length - i * 8);
        auto host_bits = static_cast<uint8_t>(0xffU >> kept);
        result.bytes[i] =
            static_cast<uint8_t>(ones ? result.bytes[i] | host_bits : result.bytes[i] & ~host_bits);
    }
    return result;
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos) return std::nullopt;
    IpAddress result;
    std::string terminated(text);
    result.family = text.find(':') == std::string_view::npos ? Family::v4 : Family::v6;
    if (inet_pton(result.is_v4() ? AF_INET : AF_INET6, terminated.c_str(), result.bytes.data()) != 1)
        return std::nullopt;
    return result;
}

IpAddress IpAddress::any(Family family) {
    return {.family = family};
}

IpAddress IpAddress::loopback(Family family) {
    IpAddress result{.family = family};
    if (family == Family::v4) {
        result.bytes = {127, 0, 0, 1};
    } else {
        result.bytes[15] = 1;
    }
    return result;
}

bool IpAddress::is_unspecified() const {
    return *this == any(family);
}

bool IpAddress::is_loopback() const {
    return is_v4() ? bytes[0] == 127 : *this == loopback(Family::v6);
}

bool IpAddress::is_link_local() const {
    return is_v4() ? bytes[0] == 169 && bytes[1] == 254 : bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

bool IpAddress::is_multicast() const {
    return is_v4() ? (bytes[0] & 0xf0) == 0xe0 : bytes[0] == 0xff;
}

std::optional<IpAddress> IpAddress::plus(uint64_t count) const {
    IpAddress result = *this;
    uint64_t carry = count;
    for (unsigned i = bits() / 8; i-- > 0 && carry != 0;) {
        uint64_t sum = result.bytes[i] + (carry & 0xff);
        result.bytes[i] = static_cast<uint8_t>(sum);
        carry = (carry >> 8) + (sum >> 8);
    }
    if (carry != 0) return std::nullopt;
    return result;
}

std::string IpAddress::text() const {
    char buffer[INET6_ADDRSTRLEN];
    return inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes.data(), buffer, sizeof(buffer));
}

std::string IpAddress::reverse_name() const {
    if (is_v4()) return fmt::format("{}.{}.{}.{}.in-addr.arpa", bytes[3], bytes[2], bytes[1], bytes[0]);
    std::string result;
    for (size_t i = bytes.size(); i-- > 0;)
        fmt::format_to(std::back_inserter(result), "{:x}.{:x}.", bytes[i] & 0xf, bytes[i] >> 4);
    return result + "ip6.arpa";
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
    size_t slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    auto address = IpAddress::parse(text.substr(0, slash));
    auto length = parse_number<unsigned>(text.substr(slash + 1));
    if (!address || !length || *length > address->bits()) return std::nullopt;
    return Prefix{*address, *length};
}

Prefix Prefix::network() const {
    return {first(), length};
}

IpAddress Prefix::first() const {
    return with_host_part(address, length, false);
}

IpAddress Prefix::last() const {
    return with_host_part(address, length, true);
}

bool Prefix::contains(const IpAddress& other) const {
    return other.family == address.family && with_host_part(other, length, false) == first();
}

bool Prefix::contains(const Prefix& other) const {
    return other.length >= length && contains(other.address);
}

bool Prefix::overlaps(const Prefix& other) const {
    return contains(other) || other.contains(*this);
}

uint64_t Prefix::size() const {
    unsigned host_bits = address.bits() - length;
    return host_bits >= 64 ? std::numeric_limits<uint64_t>::max() : uint64_t{1} << host_bits;
}

std::string Prefix::text() const {
    return fmt::format("{}/{}", address.text(), length);
}

std::optional<MacAddress> MacAddress::parse(std::string_view text) {
    if (text.size() != 17) return std::nullopt;
    char separator = text[2];
    if (separator != ':' && separator != '-') return std::nullopt;
    MacAddress result;
    for (size_t i = 0; i < 6; ++i) {
        auto byte = parse_number<uint8_t>(text.substr(i * 3, 2), 16);
        if (!byte || (i < 5 && text[i * 3 + 2] != separator)) return std::nullopt;
        result.bytes[i] = *byte;
    }
    return result;
}

MacAddress MacAddress::random() {
    MacAddress result;
    if (getrandom(result.bytes.data(), result.bytes.size(), 0) != static_cast<ssize_t>(result.bytes.size()))
        throw errno_error(errno, "getrandom");
    result.bytes[0] = static_cast<uint8_t>((result.bytes[0] & 0xfc) | 0x02);
    return result;
}

MacAddress MacAddress::of(const IpAddress& address) {
    size_t from = address.is_v4() ? 0 : 12;
    MacAddress result{{0x02, 0x42}};
    std::copy_n(address.bytes.begin() + static_cast<ptrdiff_t>(from), 4, result.bytes.begin() + 2);
    return result;
}

std::string MacAddress::text() const {
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2], bytes[3],
                       bytes[4], bytes[5]);
}

std::optional<Protocol> parse_protocol(std::string_view text) {
    std::string lower(text);
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) {
        return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    });
    for (Protocol protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp})
        if (lower == to_string(protocol)) return protocol;
    return std::nullopt;
}

std::string_view to_string(Protocol protocol) {
    switch (protocol) {
        case Protocol::tcp: return "tcp";
        case Protocol::udp: return "udp";
        case Protocol::sctp: return "sctp";
    }
    return "";
}

uint8_t number_of(Protocol protocol) {
    switch (protocol) {
        case Protocol::tcp: return IPPROTO_TCP;
        case Protocol::udp: return IPPROTO_UDP;
        case Protocol::sctp: return IPPROTO_SCTP;
    }
    return 0;
}

}  // namespace berth::net
