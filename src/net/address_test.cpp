// SPDX-License-Identifier: Apache-2.0
#include "net/address.h"

#include <gtest/gtest.h>

#include <limits>

namespace berth::net {
namespace {

IpAddress ip(std::string_view text) {
    return IpAddress::parse(text).value();
}
Prefix prefix(std::string_view text) {
    return Prefix::parse(text).value();
}

TEST(IpAddressTest, ParsesAndPrints) {
    for (const char* text : {"0.0.0.0", "10.0.0.1", "255.255.255.255", "::", "::1", "fd00::1",
                             "::ffff:10.0.0.1", "2001:db8:1:2:3:4:5:6"})
        EXPECT_EQ(ip(text).text(), text);
    EXPECT_EQ(ip("FD00:0:0:0::0001").text(), "fd00::1");
    EXPECT_TRUE(ip("10.0.0.1").is_v4());
    EXPECT_FALSE(ip("::ffff:10.0.0.1").is_v4());
}

TEST(IpAddressTest, RefusesEverythingElse) {
    for (std::string_view text :
         {std::string_view(""), std::string_view("10.0.0"), std::string_view("10.0.0.256"),
          std::string_view("010.0.0.1"), std::string_view("10.0.0.1 "), std::string_view("10.0.0.1/8"),
          std::string_view("fe80::1%eth0"), std::string_view("localhost"), std::string_view(":::"),
          std::string_view("1.2.3.4\0x", 9), std::string_view("[::1]")})
        EXPECT_FALSE(IpAddress::parse(text)) << text;
}

TEST(IpAddressTest, KnowsItsKind) {
    EXPECT_TRUE(ip("0.0.0.0").is_unspecified());
    EXPECT_TRUE(ip("::").is_unspecified());
    EXPECT_FALSE(ip("::1").is_unspecified());
    EXPECT_TRUE(ip("127.3.2.1").is_loopback());
    EXPECT_TRUE(ip("::1").is_loopback());
    EXPECT_FALSE(ip("128.0.0.1").is_loopback());
    EXPECT_EQ(IpAddress::loopback(Family::v4).text(), "127.0.0.1");
    EXPECT_EQ(IpAddress::loopback(Family::v6).text(), "::1");
    EXPECT_TRUE(ip("169.254.1.1").is_link_local());
    EXPECT_TRUE(ip("fe80::1").is_link_local());
    EXPECT_TRUE(ip("febf::1").is_link_local());
    EXPECT_FALSE(ip("fec0::1").is_link_local());
    EXPECT_TRUE(ip("224.0.0.1").is_multicast());
    EXPECT_TRUE(ip("239.1.1.1").is_multicast());
    EXPECT_FALSE(ip("240.0.0.1").is_multicast());
    EXPECT_TRUE(ip("ff02::1").is_multicast());
}

TEST(IpAddressTest, Counts) {
    EXPECT_EQ(ip("10.0.0.255").plus(1)->text(), "10.0.1.0");
    EXPECT_EQ(ip("10.0.0.0").plus(0x01020304)->text(), "11.2.3.4");
    EXPECT_EQ(ip("255.255.255.254").plus(1)->text(), "255.255.255.255");
    EXPECT_FALSE(ip("255.255.255.255").plus(1));
    EXPECT_FALSE(ip("0.0.0.0").plus(uint64_t{1} << 32));
    EXPECT_EQ(ip("fd00::ffff:ffff:ffff:ffff").plus(1)->text(), "fd00:0:0:1::");
    EXPECT_EQ(ip("fd00::1").plus(std::numeric_limits<uint64_t>::max())->text(), "fd00:0:0:1::");
    EXPECT_FALSE(ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff").plus(1));
}

TEST(IpAddressTest, Orders) {
    EXPECT_LT(ip("10.0.0.9"), ip("10.0.0.10"));
    EXPECT_LT(ip("255.255.255.255"), ip("::"));
    EXPECT_LT(ip("fd00::1"), ip("fd00::1:0"));
}

TEST(IpAddressTest, HasAReverseName) {
    EXPECT_EQ(ip("1.2.3.4").reverse_name(), "4.3.2.1.in-addr.arpa");
    EXPECT_EQ(ip("2001:db8::567:89ab").reverse_name(),
              "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

TEST(PrefixTest, ParsesAndPrints) {
    for (const char* text : {"172.17.0.1/16", "0.0.0.0/0", "10.0.0.1/32", "fd00::1/64", "::/0"})
        EXPECT_EQ(prefix(text).text(), text);
    for (const char* text : {"172.17.0.1", "172.17.0.1/33", "::1/129", "172.17.0.1/", "172.17.0.1/-1", "/8",
                             "172.17.0.1/8/8", "172.17.0.1/+8"})
        EXPECT_FALSE(Prefix::parse(text)) << text;
}

TEST(PrefixTest, HasARange) {
    EXPECT_EQ(prefix("172.17.5.9/16").network().text(), "172.17.0.0/16");
    EXPECT_EQ(prefix("172.17.5.9/16").last().text(), "172.17.255.255");
    EXPECT_EQ(prefix("172.17.5.9/23").first().text(), "172.17.4.0");
    EXPECT_EQ(prefix("172.17.5.9/23").last().text(), "172.17.5.255");
    EXPECT_EQ(prefix("172.17.5.9/32").first(), prefix("172.17.5.9/32").last());
    EXPECT_EQ(prefix("172.17.5.9/0").first().text(), "0.0.0.0");
    EXPECT_EQ(prefix("fd00:1:2:3::9/52").first().text(), "fd00:1:2::");
    EXPECT_EQ(prefix("fd00:1:2:3::9/64").last().text(), "fd00:1:2:3:ffff:ffff:ffff:ffff");
    EXPECT_EQ(prefix("10.0.0.0/8").size(), 1U << 24);
    EXPECT_EQ(prefix("10.0.0.0/32").size(), 1U);
    EXPECT_EQ(prefix("fd00::/65").size(), uint64_t{1} << 63);
    EXPECT_EQ(prefix("fd00::/64").size(), std::numeric_limits<uint64_t>::max());
}

TEST(PrefixTest, ContainsAndOverlaps) {
    EXPECT_TRUE(prefix("10.1.0.0/16").contains(ip("10.1.255.255")));
    EXPECT_FALSE(prefix("10.1.0.0/16").contains(ip("10.2.0.0")));
    EXPECT_FALSE(prefix("0.0.0.0/0").contains(ip("::1")));
    EXPECT_TRUE(prefix("10.0.0.0/8").contains(prefix("10.1.0.0/16")));
    EXPECT_FALSE(prefix("10.1.0.0/16").contains(prefix("10.0.0.0/8")));
    EXPECT_TRUE(prefix("10.1.0.0/16").overlaps(prefix("10.0.0.0/8")));
    EXPECT_FALSE(prefix("10.1.0.0/16").overlaps(prefix("10.2.0.0/16")));
    EXPECT_FALSE(prefix("::/0").overlaps(prefix("0.0.0.0/0")));
}

TEST(MacAddressTest, ParsesAndPrints) {
    EXPECT_EQ(MacAddress::parse("02:42:AC:11:00:02")->text(), "02:42:ac:11:00:02");
    EXPECT_EQ(MacAddress::parse("02-42-ac-11-00-02")->text(), "02:42:ac:11:00:02");
    for (const char* text : {"", "02:42:ac:11:00", "02:42:ac:11:00:0", "02:42:ac:11:00:02:03",
                             "02:42:ac:11-00:02", "02:42:ac:11:00:0g", "0242.ac11.0002xxx"})
        EXPECT_FALSE(MacAddress::parse(text)) << text;
}

TEST(MacAddressTest, IsMade) {
    EXPECT_EQ(MacAddress::of(ip("172.17.0.2")).text(), "02:42:ac:11:00:02");
    EXPECT_EQ(MacAddress::of(ip("fd00::1:2")).text(), "02:42:00:01:00:02");
    MacAddress one = MacAddress::random();
    EXPECT_EQ(one.bytes[0] & 0x03, 0x02);
    EXPECT_NE(one, MacAddress::random());
}

TEST(ProtocolTest, HasANameAndANumber) {
    EXPECT_EQ(parse_protocol("TCP"), Protocol::tcp);
    EXPECT_EQ(parse_protocol("sctp"), Protocol::sctp);
    EXPECT_FALSE(parse_protocol("icmp"));
    EXPECT_EQ(to_string(Protocol::udp), "udp");
    EXPECT_EQ(number_of(Protocol::udp), 17);
    EXPECT_EQ(number_of(Protocol::sctp), 132);
}

}  // namespace
}  // namespace berth::net
