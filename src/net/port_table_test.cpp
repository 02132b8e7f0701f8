// SPDX-License-Identifier: Apache-2.0
#include "net/port_table.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace berth::net {
namespace {

const IpAddress kAny4 = IpAddress::any(Family::v4), kAny6 = IpAddress::any(Family::v6),
                kLo4 = IpAddress::loopback(Family::v4);

PortTable::Owner owner(const std::string& name, const std::string& service = {}) {
    return {name + std::string(64 - name.size(), '0'), name, service};
}

std::string refusal(PortTable& table, const std::vector<IpAddress>& addresses,
                    std::pair<uint16_t, uint16_t> range, const PortTable::Owner& who,
                    const std::set<uint16_t>& skip = {}) {
    try {
        table.take(Protocol::tcp, addresses, range, who, skip);
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::conflict);
        return error.what();
    }
    return "";
}

TEST(PortTable, AConflictNamesTheContainer) {
    PortTable table;
    EXPECT_EQ(table.take(Protocol::tcp, {kAny4, kAny6}, {8080, 8080}, owner("web")), 8080);
    EXPECT_EQ(
        refusal(table, {kAny4}, {8080, 8080}, owner("b")),
        "driver failed programming external connectivity on endpoint b (b" + std::string(63, '0') +
            "): Bind for 0.0.0.0:8080 failed: port is already allocated (by container web, web000000000)");
    EXPECT_NE(refusal(table, {kAny6}, {8080, 8080}, owner("b")).find("Bind for :::8080 failed"),
              std::string::npos);
    EXPECT_NE(refusal(table, {kAny4}, {8080, 8080}, owner("web")), "") << "nor twice itself";
    EXPECT_EQ(table.take(Protocol::udp, {kAny4}, {8080, 8080}, owner("b")), 8080);
}

TEST(PortTable, AConflictKnowsTheNewName) {
    PortTable table;
    table.take(Protocol::tcp, {kAny4, kAny6}, {8080, 8080}, owner("web"));
    table.take(Protocol::tcp, {kAny4}, {8081, 8081}, owner("other"));
    table.rename(owner("web").container_id, "shop");
    EXPECT_NE(refusal(table, {kAny6}, {8080, 8080}, owner("b")).find("(by container shop, web"),
              std::string::npos);
    EXPECT_NE(refusal(table, {kAny4}, {8081, 8081}, owner("b")).find("(by container other, "),
              std::string::npos);
}

TEST(PortTable, AddressesOverlap) {
    PortTable table;
    IpAddress other = *IpAddress::parse("10.0.0.1");
    table.take(Protocol::tcp, {kLo4}, {80, 80}, owner("a"));
    EXPECT_NE(refusal(table, {kLo4}, {80, 80}, owner("b")), "");
    EXPECT_NE(refusal(table, {kAny4}, {80, 80}, owner("b")), "");
    EXPECT_EQ(refusal(table, {other}, {80, 80}, owner("b")), "");
    EXPECT_EQ(refusal(table, {kAny6}, {80, 80}, owner("c")), "");
    EXPECT_NE(refusal(table, {IpAddress::loopback(Family::v6)}, {80, 80}, owner("d")), "");
}

TEST(PortTable, NothingIsTakenWhereOneAddressIsRefused) {
    PortTable table;
    table.take(Protocol::tcp, {kAny6}, {80, 80}, owner("a"));
    EXPECT_NE(refusal(table, {kAny4, kAny6}, {80, 80}, owner("b")), "");
    EXPECT_EQ(table.holders(Protocol::tcp, kAny4, 80), 0U);
    EXPECT_EQ(refusal(table, {kAny4}, {80, 80}, owner("c")), "");
}

TEST(PortTable, ContainersOfAServiceShare) {
    PortTable table;
    EXPECT_EQ(refusal(table, {kAny4}, {80, 80}, owner("a", "shop/web")), "");
    EXPECT_EQ(refusal(table, {kAny4}, {80, 80}, owner("b", "shop/web")), "");
    EXPECT_EQ(table.holders(Protocol::tcp, kAny4, 80), 2U);
    EXPECT_NE(refusal(table, {kAny4}, {80, 80}, owner("c", "shop/api")), "");
    EXPECT_NE(refusal(table, {kAny4}, {80, 80}, owner("c")), "");
    EXPECT_NE(refusal(table, {kLo4}, {80, 80}, owner("c", "shop/web")), "") << "not the same address";
    EXPECT_NE(refusal(table, {kAny4}, {80, 80}, owner("a", "shop/web")), "") << "has it";
    table.release(Protocol::tcp, kAny4, 80, owner("a").container_id);
    EXPECT_EQ(table.holders(Protocol::tcp, kAny4, 80), 1U);
    EXPECT_NE(refusal(table, {kAny4}, {80, 80}, owner("c")), "");
    table.release(Protocol::tcp, kAny4, 80, owner("b").container_id);
    table.release(Protocol::tcp, kAny4, 80, owner("b").container_id);
    EXPECT_EQ(refusal(table, {kAny4}, {80, 80}, owner("c")), "");
}

TEST(PortTable, ARangeGivesItsFirstFree) {
    PortTable table;
    auto take = [&](const std::set<uint16_t>& skip = {}) {
        return table.take(Protocol::tcp, {kAny4}, {8000, 8003}, owner("a", "s"), skip);
    };
    EXPECT_EQ(take(), 8000);
    EXPECT_EQ(take({8001}), 8002);
    EXPECT_EQ(take(), 8001) << "a range isn't shared";
    EXPECT_NE(refusal(table, {kAny4}, {8000, 8003}, owner("b"), {8003}).find("all ports are allocated"),
              std::string::npos);
    table.release(Protocol::tcp, kAny4, 8000, owner("a").container_id);
    EXPECT_EQ(take(), 8000);
    EXPECT_THROW(table.take(Protocol::tcp, {kAny4}, {8003, 8000}, owner("a")), Error);
}

TEST(PortTable, EphemeralPortsComeBackLate) {
    PortTable table({40000, 40003});
    auto take = [&](Protocol protocol = Protocol::tcp) {
        return table.take(protocol, {kAny4, kAny6}, {0, 0}, owner("a"));
    };
    EXPECT_EQ(take(), 40000);
    table.release(Protocol::tcp, kAny4, 40000, owner("a").container_id);
    table.release(Protocol::tcp, kAny6, 40000, owner("a").container_id);
    EXPECT_EQ(take(), 40001);
    EXPECT_EQ(take(Protocol::udp), 40000);
    EXPECT_EQ(take(), 40002);
    EXPECT_EQ(take(), 40003);
    EXPECT_EQ(take(), 40000);
    EXPECT_NE(refusal(table, {kAny4}, {0, 0}, owner("b")), "");
    PortTable kernel;
    uint16_t first = kernel.take(Protocol::tcp, {kAny4}, {0, 0}, owner("a"));
    EXPECT_GT(first, 1023);
    EXPECT_EQ(kernel.take(Protocol::tcp, {kAny4}, {0, 0}, owner("a")), first + 1);
}

TEST(PortTable, AnyOrderOfTakingAndReleasing) {
    PortTable table({50000, 50999});
    std::set<uint16_t> taken;
    for (int i = 0; i < 1000; ++i)
        EXPECT_TRUE(taken.insert(table.take(Protocol::tcp, {kAny4}, {0, 0}, owner("a"))).second);
    EXPECT_NE(refusal(table, {kLo4}, {0, 0}, owner("b")), "");
    for (uint16_t port : taken) table.release(Protocol::tcp, kAny4, port, owner("a").container_id);
    EXPECT_EQ(table.take(Protocol::tcp, {kLo4}, {0, 0}, owner("b")), 50000);
}

}  // namespace
}  // namespace berth::net
