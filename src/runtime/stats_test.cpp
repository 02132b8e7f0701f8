// SPDX-License-Identifier: Apache-2.0
#include "runtime/stats.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <limits>

#include "base/json.h"
#include "base/strings.h"
#include "runtime/stats_files.h"
#include "sys/file.h"

namespace berth::runtime {
namespace {

using sys::Cgroup;
using testing::ElementsAre;

class FakeStats : public testing::Test {
  protected:
    void SetUp() override {
        char path[] = "/tmp/berth-test-XXXXXX";
        ASSERT_NE(::mkdtemp(path), nullptr);
        dir_ = path;
    }
    void TearDown() override { sys::remove_tree_at(AT_FDCWD, dir_); }
    void file(const std::string& name, std::string_view content) {
        UniqueFd fd = sys::open_file(dir_ + "/" + name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        sys::write_all(fd.get(), content, name);
    }
    std::string dir_;
};

TEST_F(FakeStats, V2InTheUnitsOfV1) {
    file("cpu.stat",
         "usage_usec 3000\nuser_usec 2000\nsystem_usec 1000\nnr_periods 5\nnr_throttled 2\nthrottled_usec "
         "70\n");
    file("cpu.pressure",
         "some avg10=1.50 avg60=0.25 avg300=0.00 total=42\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=7\n");
    file("memory.current", "1000\n");
    file("memory.max", "4000\n");
    file("memory.peak", "2000\n");
    file("memory.swap.current", "300\n");
    file("memory.swap.max", "500\n");
    file("memory.events", "low 0\nhigh 0\nmax 3\noom 0\noom_kill 0\n");
    file("memory.stat", "anon 600\nfile 400\nkernel 50\nsock 10\ninactive_file 5\n");
    file("pids.current", "4\n");
    file("pids.max", "max\n");
    file("io.stat", "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=5 dios=1\n");
    file("hugetlb.2MB.current", "2097152\n");
    file("hugetlb.2MB.max", "max\n");
    file("hugetlb.2MB.rsvd.max", "max\n");
    file("hugetlb.2MB.events", "max 6\n");
    file("cpuset.cpus.effective", "0-2,5\n");
    Stats stats = sample_stats(Cgroup::open({{"", dir_}}));
    EXPECT_EQ(stats.cpu.usage.total, 3'000'000u);
    EXPECT_EQ(stats.cpu.usage.kernel, 1'000'000u);
    EXPECT_EQ(stats.cpu.throttling.throttledTime, 70'000u);
    ASSERT_TRUE(stats.cpu.psi.has_value());
    EXPECT_DOUBLE_EQ(stats.cpu.psi->some.avg10, 1.5);
    EXPECT_EQ(stats.cpu.psi->full.total, 7u);
    EXPECT_EQ(stats.memory.usage.usage, 1000u);
    EXPECT_EQ(stats.memory.usage.max, 2000u);
    EXPECT_EQ(stats.memory.usage.failcnt, 3u);
    EXPECT_EQ(stats.memory.swap.usage, 1300u);
    EXPECT_EQ(stats.memory.swap.limit, 4500u);
    EXPECT_EQ(stats.memory.cache, 400u);
    EXPECT_EQ(stats.memory.raw.at("inactive_file"), 5u);
    EXPECT_EQ(stats.pids.current, 4u);
    EXPECT_EQ(stats.pids.limit, 0u);
    ASSERT_EQ(stats.blkio.ioServiceBytesRecursive.size(), 3u);
    EXPECT_EQ(stats.blkio.ioServiceBytesRecursive[1].op, "Write");
    EXPECT_EQ(stats.blkio.ioServiceBytesRecursive[1].value, 20u);
    EXPECT_EQ(stats.blkio.ioServicedRecursive[2].op, "Discard");
    ASSERT_EQ(stats.hugetlb.size(), 1u);
    EXPECT_EQ(stats.hugetlb.at("2MB").usage, 2097152u);
    EXPECT_EQ(stats.hugetlb.at("2MB").failcnt, 6u);
    EXPECT_THAT(stats.cpuset.cpus, ElementsAre(0, 1, 2, 5));
    file("memory.max", "max\n");
    EXPECT_EQ(sample_stats(Cgroup::open({{"", dir_}})).memory.swap.limit,
              std::numeric_limits<uint64_t>::max());
}

TEST_F(FakeStats, V1) {
    file("cpuacct.usage", "3000\n");
    file("cpuacct.usage_percpu", "1000 2000 \n");
    file("cpuacct.usage_all", "cpu user system\n0 10 20\n1 30 40\n");
    file("cpuacct.stat", "user 1\nsystem 2\n");
    file("cpu.stat", "nr_periods 1\nnr_throttled 2\nthrottled_time 3\n");
    file("blkio.throttle.io_service_bytes_recursive",
         "8:0 Read 4096\n8:0 Write 0\n8:0 Total 4096\nTotal 4096\n");
    file("blkio.bfq.io_serviced_recursive", "Total 0\n");
    Stats stats = sample_stats(Cgroup::open({{"cpu,cpuacct", dir_}, {"blkio", dir_}}));
    EXPECT_EQ(stats.cpu.usage.total, 3000u);
    EXPECT_THAT(stats.cpu.usage.percpu, ElementsAre(1000, 2000));
    EXPECT_THAT(stats.cpu.usage.percpu_user, ElementsAre(10, 30));
    EXPECT_THAT(stats.cpu.usage.percpu_kernel, ElementsAre(20, 40));
    EXPECT_EQ(stats.cpu.usage.user, 1'000'000'000u / static_cast<uint64_t>(::sysconf(_SC_CLK_TCK)));
    EXPECT_EQ(stats.cpu.throttling.throttledPeriods, 2u);
    ASSERT_EQ(stats.blkio.ioServiceBytesRecursive.size(), 3u);
    EXPECT_EQ(stats.blkio.ioServiceBytesRecursive[0].op, "Read");
    EXPECT_EQ(stats.blkio.ioServiceBytesRecursive[0].major, 8u);
    EXPECT_EQ(stats.blkio.ioServiceBytesRecursive[2].value, 4096u);
}

TEST(StatsJson, HasRuncsShape) {
    Stats stats;
    stats.cpu.usage.total = 7;
    stats.memory.usage.limit = std::numeric_limits<uint64_t>::max();
    json::Value event = json::parse(encode_stats_event("web", stats));
    EXPECT_EQ(event.at("type").as_string(), "stats");
    EXPECT_EQ(event.at("id").as_string(), "web");
    const json::Object& data = event.at("data").as_object();
    EXPECT_EQ(data.at("cpu").at("usage").at("total").to_number<uint64_t>(), 7u);
    EXPECT_EQ(data.at("memory").at("usage").at("limit").to_number<uint64_t>(),
              std::numeric_limits<uint64_t>::max());
    EXPECT_TRUE(data.at("hugetlb").is_object());
    EXPECT_TRUE(data.at("network_interfaces").is_null());
    EXPECT_FALSE(data.at("cpu").as_object().contains("psi"));
    EXPECT_EQ(encode_oom_event("web"), R"({"type":"oom","id":"web"})");
}

TEST(StatsFiles, WhatIsGoneGivesZeros) {
    Stats stats = sample_stats(Cgroup::open({{"", "/nonexistent/berth"}, {"memory", "/nonexistent/berth"}}));
    EXPECT_EQ(stats.memory.usage.usage, 0u);
    EXPECT_EQ(stats.pids.current, 0u);
    EXPECT_EQ(sample_stats(Cgroup()).cpu.usage.total, 0u);
}

TEST(StatsHost, CountsTheCgroupsProcesses) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    if (sys::CgroupLayout::host().mode() == sys::CgroupLayout::Mode::none)
        GTEST_SKIP() << "no cgroups are mounted";
    Cgroup cgroup = Cgroup::create("/berth-test-" + random_hex(6), "");
    std::vector<UniqueFd> join = cgroup.join_fds(true);
    int ready[2];
    ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = ::fork();
    if (pid == 0) {
        for (const UniqueFd& fd : join)
            if (::write(fd.get(), "0", 1) != 1) ::_exit(255);
        (void)!::write(ready[1], "x", 1);
        while (true) ::pause();
    }
    char byte = 0;
    ::close(ready[1]);
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
    Stats stats = sample_stats(cgroup);
    EXPECT_GT(stats.cpu.usage.total, 0u);
    if (cgroup.v1_dir("pids") || cgroup.pure_v2()) {
        EXPECT_EQ(stats.pids.current, 1u);
    }
    cgroup.kill(SIGKILL);
    ::waitpid(pid, nullptr, 0);
    cgroup.remove();
}

}  // namespace
}  // namespace berth::runtime
