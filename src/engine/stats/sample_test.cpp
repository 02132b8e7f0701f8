// SPDX-License-Identifier: Apache-2.0
#include "engine/stats/sample.h"

#include <gtest/gtest.h>

#include <limits>

namespace berth::engine {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

TEST(StatsSample, TheHostsProcessorTimeIsAllButGuests) {
    HostCpu host = parse_proc_stat(
        "cpu  10 20 30 40 50 60 70 1000 2000 3000\n"
        "cpu0 5 10 15 20 25 30 35 500 1000 1500\n"
        "cpu1 5 10 15 20 25 30 35 500 1000 1500\n"
        "intr 1 2 3\ncpu9 is no line of its own\n");
    EXPECT_EQ(host.online, 2u);
    EXPECT_EQ(host.total_ns, 280u * 10'000'000);
    EXPECT_GT(read_host_cpu().total_ns, 0u);
}

TEST(StatsSample, NetworkDevicesWithoutLoopback) {
    auto devices = parse_net_dev(
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop\n"
        "    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
        "  eth0:5338 36 1 2 0 0 0 0 648 8 3 4 0 0 0 0\n");
    ASSERT_EQ(devices.size(), 1u);
    const auto& eth0 = devices.at("eth0");
    EXPECT_EQ(eth0.rx_bytes, 5338u);
    EXPECT_EQ(eth0.rx_packets, 36u);
    EXPECT_EQ(eth0.rx_errors, 1u);
    EXPECT_EQ(eth0.rx_dropped, 2u);
    EXPECT_EQ(eth0.tx_bytes, 648u);
    EXPECT_EQ(eth0.tx_packets, 8u);
    EXPECT_EQ(eth0.tx_errors, 3u);
    EXPECT_EQ(eth0.tx_dropped, 4u);
}

Sample some_sample() {
    Sample sample;
    sample.time_ns = 1'700'000'000 * kSecond;
    sample.host = {.total_ns = 1000u * kSecond, .online = 4};
    sample.cpu.usage.total = 7 * kSecond;
    sample.cpu.usage.percpu = {3, 4};
    sample.memory.usage = {
        .limit = std::numeric_limits<uint64_t>::max(), .usage = 4096, .max = 8192, .failcnt = 1};
    sample.memory.raw = {{"cache", 1}};
    sample.blkio.ioServiceBytesRecursive = {{8, 0, "Read", 5}, {8, 0, "Discard", 6}};
    return sample;
}

TEST(StatsSample, WithoutAnEarlierSampleItBeganWithNothing) {
    Sample now = some_sample();
    CpuSample start = at_start(now, now.time_ns - 10 * kSecond);
    EXPECT_EQ(start.time_ns, now.time_ns - 10 * kSecond);
    EXPECT_EQ(start.host.total_ns, 960u * kSecond);
    EXPECT_EQ(start.cpu.usage.total, 0u);
    auto wire = to_wire(now, &start, 1 << 30);
    // 7 s of 40: the share as the CLI computes it.
    EXPECT_EQ(wire.cpu_stats.cpu_usage.total_usage - wire.precpu_stats.cpu_usage.total_usage, 7u * kSecond);
    EXPECT_EQ(wire.cpu_stats.system_cpu_usage - wire.precpu_stats.system_cpu_usage, 40u * kSecond);
}

TEST(StatsSample, FormOfCgroupV1) {
    auto wire = to_wire(some_sample(), nullptr, 1 << 30);
    EXPECT_EQ(wire.read, "2023-11-14T22:13:20.000000000Z");
    EXPECT_EQ(wire.preread, "0001-01-01T00:00:00Z");
    EXPECT_EQ(wire.precpu_stats.system_cpu_usage, 0u);
    EXPECT_EQ(wire.memory_stats.limit, 1u << 30);
    EXPECT_EQ(wire.memory_stats.max_usage, 8192u);
    EXPECT_EQ(wire.memory_stats.failcnt, 1u);
    ASSERT_TRUE(wire.blkio_stats.io_service_bytes_recursive);
    EXPECT_EQ(wire.blkio_stats.io_service_bytes_recursive->size(), 2u);
    EXPECT_EQ(wire.blkio_stats.io_service_bytes_recursive->front().op, "Read");
    ASSERT_TRUE(wire.blkio_stats.io_serviced_recursive);
    EXPECT_TRUE(wire.blkio_stats.io_serviced_recursive->empty());
    EXPECT_EQ(wire.pids_stats.limit, 0u);
}

TEST(StatsSample, FormOfCgroupV2) {
    Sample sample = some_sample();
    sample.unified = true;
    sample.memory.usage.limit = 65536;
    auto wire = to_wire(sample, nullptr, 1 << 30);
    EXPECT_EQ(wire.memory_stats.limit, 65536u);
    EXPECT_EQ(wire.memory_stats.max_usage, 0u);
    ASSERT_TRUE(wire.blkio_stats.io_service_bytes_recursive);
    ASSERT_EQ(wire.blkio_stats.io_service_bytes_recursive->size(), 1u);
    EXPECT_EQ(wire.blkio_stats.io_service_bytes_recursive->front().op, "read");
    EXPECT_FALSE(wire.blkio_stats.io_serviced_recursive);
}

TEST(StatsSample, TheCpuPartLeavesTheOtherHierarchiesOut) {
    auto hybrid = sys::Cgroup::open({{"", "/u"}, {"cpu,cpuacct", "/c"}, {"memory", "/m"}});
    EXPECT_EQ(cpu_part(hybrid).paths(), (std::map<std::string, std::string>{{"cpu,cpuacct", "/c"}}));
    auto unified = sys::Cgroup::open({{"", "/u"}});
    EXPECT_EQ(cpu_part(unified).paths(), (std::map<std::string, std::string>{{"", "/u"}}));
}

}  // namespace
}  // namespace berth::engine
