// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Addresses as plain values. Nothing here asks the kernel.
namespace berth::net {

enum class Family : uint8_t { v4, v6 };

struct IpAddress {
    Family family = Family::v4;
    std::array<uint8_t, 16> bytes{};  ///< in network order; of IPv4 the first four

    /// "10.0.0.1", "fd00::1", "::ffff:10.0.0.1" (as IPv6); nothing for anything else, zones ("%eth0")
    /// included.
    static std::optional<IpAddress> parse(std::string_view text);
    static IpAddress any(Family family);
    static IpAddress loopback(Family family);

    bool is_v4() const { return family == Family::v4; }
    bool is_unspecified() const;
    bool is_loopback() const;
    bool is_link_local() const;
    bool is_multicast() const;
    unsigned bits() const { return is_v4() ? 32 : 128; }
    /// The address `count` further on; nothing past the family's last one.
    std::optional<IpAddress> plus(uint64_t count) const;
    /// As inet_ntop(3): "fd00::1".
    std::string text() const;
    /// "4.3.2.1.in-addr.arpa", "….ip6.arpa"
    std::string reverse_name() const;

    auto operator<=>(const IpAddress&) const = default;
};

/// An address and the length of its network's part: "172.17.0.1/16".
struct Prefix {
    IpAddress address;
    unsigned length = 0;

    static std::optional<Prefix> parse(std::string_view text);
    /// With the host's part zero: "172.17.0.0/16".
    Prefix network() const;
    IpAddress first() const;  ///< host's part zero
    IpAddress last() const;   ///< host's part ones: IPv4's broadcast address
    bool contains(const IpAddress& other) const;
    bool contains(const Prefix& other) const;
    bool overlaps(const Prefix& other) const;
    /// 2^64 - 1 where there are more.
    uint64_t size() const;
    std::string text() const;

    auto operator<=>(const Prefix&) const = default;
};

struct MacAddress {
    std::array<uint8_t, 6> bytes{};

    /// "02:42:ac:11:00:02", also with '-'.
    static std::optional<MacAddress> parse(std::string_view text);
    /// Locally administered, unicast, random.
    static MacAddress random();
    /// "02:42:ac:11:00:02" for 172.17.0.2: what Docker gives an endpoint with IPv4. Of IPv6 the last four
    /// bytes.
    static MacAddress of(const IpAddress& address);
    std::string text() const;

    auto operator<=>(const MacAddress&) const = default;
};

enum class Protocol : uint8_t { tcp, udp, sctp };
std::optional<Protocol> parse_protocol(std::string_view text);  ///< "tcp", any case
std::string_view to_string(Protocol protocol);
uint8_t number_of(Protocol protocol);  ///< IPPROTO_…

}  // namespace berth::net
