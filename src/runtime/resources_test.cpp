// SPDX-License-Identifier: Apache-2.0
#include "runtime/resources.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <map>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "runtime/resources_writer.h"
#include "sys/file.h"

namespace berth::runtime {
namespace {

using sys::Cgroup;
using sys::CgroupLayout;
using sys::DeviceRule;
using testing::HasSubstr;

template <typename Body>
std::string message_of(Body&& body) {
    try {
        body();
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

/// The warnings of its lifetime.
class CapturedLog {
  public:
    CapturedLog() : before_(log::sink()), file_(sys::memory_file("log", "")) {
        log::set_sink({.fd = file_.get()});
    }
    ~CapturedLog() { log::set_sink(before_); }
    std::string text() const {
        ::lseek(file_.get(), 0, SEEK_SET);
        return sys::read_all(file_.get(), "log");
    }

  private:
    log::Sink before_;
    UniqueFd file_;
};

/// A folder that looks like a cgroup directory: files that take what is written, in order.
class FakeCgroup : public testing::Test {
  protected:
    void SetUp() override {
        char path[] = "/tmp/berth-test-XXXXXX";
        ASSERT_NE(::mkdtemp(path), nullptr);
        dir_ = path;
    }
    void TearDown() override { sys::remove_tree_at(AT_FDCWD, dir_); }

    void file(const std::string& name, std::string_view content = "") {
        UniqueFd fd = sys::open_file(dir_ + "/" + name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        sys::write_all(fd.get(), content, name);
    }
    std::string content(const std::string& name) { return sys::read_file(dir_ + "/" + name); }
    Cgroup v2() { return Cgroup::open({{"", dir_}}); }
    Cgroup v1(const std::string& key) { return Cgroup::open({{key, dir_}}); }

    static void apply(const Cgroup& cgroup, const std::string& json) {
        apply_resources(cgroup, spec::decode_resources(json), false);
    }

    std::string dir_;
};

TEST(Conversions, SharesToWeight) {
    EXPECT_EQ(cpu_weight(2), 1u);
    EXPECT_EQ(cpu_weight(1024), 39u);
    EXPECT_EQ(cpu_weight(262144), 10000u);
    EXPECT_EQ(cpu_weight(1), 1u);
    EXPECT_EQ(cpu_weight(UINT64_MAX), 10000u);
}

TEST(Conversions, BlkioWeightToIoWeight) {
    EXPECT_EQ(io_weight(10), 1u);
    EXPECT_EQ(io_weight(500), 4950u);
    EXPECT_EQ(io_weight(1000), 10000u);
}

TEST(Conversions, SwapAlone) {
    EXPECT_EQ(swap_only(300, 100), 200);
    EXPECT_EQ(swap_only(100, 100), 0);
    EXPECT_EQ(swap_only(-1, 100), -1);
    EXPECT_EQ(swap_only(0, 100), std::nullopt);
    EXPECT_EQ(swap_only(0, -1), -1);
    EXPECT_EQ(swap_only(300, -1), 300);
    EXPECT_THAT(message_of([] { (void)swap_only(300, 0); }), HasSubstr("linux.resources.memory.swap"));
    EXPECT_THAT(message_of([] { (void)swap_only(50, 100); }), HasSubstr("linux.resources.memory.swap"));
}

TEST_F(FakeCgroup, V2Memory) {
    for (const char* name : {"memory.max", "memory.swap.max", "memory.low"}) file(name);
    apply(v2(), R"({"memory":{"limit":1048576,"swap":3145728,"reservation":524288}})");
    EXPECT_EQ(content("memory.max"), "1048576");
    EXPECT_EQ(content("memory.swap.max"), "2097152");
    EXPECT_EQ(content("memory.low"), "524288");
}

TEST_F(FakeCgroup, V2UnlimitedMemoryLiftsSwapToo) {
    for (const char* name : {"memory.max", "memory.swap.max"}) file(name);
    apply(v2(), R"({"memory":{"limit":-1}})");
    EXPECT_EQ(content("memory.max"), "max");
    EXPECT_EQ(content("memory.swap.max"), "max");
}

TEST_F(FakeCgroup, V2SwapAloneIsCountedFromTheLimitInForce) {
    file("memory.max", "1000\n");
    file("memory.swap.max");
    apply(v2(), R"({"memory":{"swap":3000}})");
    EXPECT_EQ(content("memory.swap.max"), "2000");
}

TEST_F(FakeCgroup, V2SwapIsNeededOnlyWhereItLimits) {
    file("memory.max");
    CapturedLog log;
    apply(v2(), R"({"memory":{"limit":1000,"swap":1000}})");
    apply(v2(), R"({"memory":{"limit":1000,"swap":-1}})");
    EXPECT_EQ(log.text(), "");
    apply(v2(), R"({"memory":{"limit":1000,"swap":2000}})");
    EXPECT_THAT(log.text(), HasSubstr("linux.resources.memory.swap is left out"));
}

TEST_F(FakeCgroup, V2Cpu) {
    for (const char* name : {"cpu.weight", "cpu.max.burst", "cpu.idle", "cpuset.cpus", "cpuset.mems"})
        file(name);
    file("cpu.max");
    apply(
        v2(),
        R"({"cpu":{"shares":1024,"quota":50000,"period":200000,"burst":1000,"idle":0,"cpus":"0-1","mems":"0"}})");
    EXPECT_EQ(content("cpu.weight"), "39");
    EXPECT_EQ(content("cpu.max"), "50000 200000");
    EXPECT_EQ(content("cpu.max.burst"), "1000");
    EXPECT_EQ(content("cpu.idle"), "0");
    EXPECT_EQ(content("cpuset.cpus"), "0-1");
    EXPECT_EQ(content("cpuset.mems"), "0");
}

TEST_F(FakeCgroup, V2CpuKeepsWhatIsNotGiven) {
    file("cpu.max", "50000 100000\n");
    apply(v2(), R"({"cpu":{"period":200000}})");
    EXPECT_THAT(content("cpu.max"), testing::StartsWith("50000 200000"));
    file("cpu.max");
    apply(v2(), R"({"cpu":{"quota":-1}})");
    EXPECT_EQ(content("cpu.max"), "max");
}

TEST_F(FakeCgroup, AnIdleGroupGetsNoWeight) {
    for (const char* name : {"cpu.weight", "cpu.idle"}) file(name);
    apply(v2(), R"({"cpu":{"shares":1024,"idle":1}})");
    EXPECT_EQ(content("cpu.idle"), "1");
    EXPECT_EQ(content("cpu.weight"), "");
}

TEST_F(FakeCgroup, V2BlockIo) {
    file("io.weight");
    file("io.max");
    apply(v2(), R"({"blockIO":{"weight":10,"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1000}]}})");
    EXPECT_EQ(content("io.weight"), "default 1");
    EXPECT_EQ(content("io.max"), "8:0 rbps=1000");
    file("io.max");
    apply(v2(), R"({"blockIO":{"throttleWriteIOPSDevice":[{"major":8,"minor":16,"rate":0}]}})");
    EXPECT_EQ(content("io.max"), "8:16 wiops=max");
    file("io.bfq.weight");
    apply(v2(), R"({"blockIO":{"weight":500}})");
    EXPECT_EQ(content("io.bfq.weight"), "default 500");
}

TEST_F(FakeCgroup, PidsHugepagesAndRdma) {
    for (const char* name : {"pids.max", "hugetlb.2MB.max", "hugetlb.2MB.rsvd.max", "rdma.max"}) file(name);
    apply(v2(), R"({"pids":{"limit":10},"hugepageLimits":[{"pageSize":"2MB","limit":4194304}],
                    "rdma":{"mlx5_0":{"hcaHandles":2,"hcaObjects":2000}}})");
    EXPECT_EQ(content("pids.max"), "10");
    EXPECT_EQ(content("hugetlb.2MB.max"), "4194304");
    EXPECT_EQ(content("hugetlb.2MB.rsvd.max"), "4194304");
    EXPECT_EQ(content("rdma.max"), "mlx5_0 hca_handle=2 hca_object=2000");
    file("pids.max");
    apply(v2(), R"({"pids":{"limit":0}})");
    EXPECT_EQ(content("pids.max"), "");
    apply(v2(), R"({"pids":{"limit":-1}})");
    EXPECT_EQ(content("pids.max"), "max");
    EXPECT_THAT(message_of([&] { apply(v2(), R"({"hugepageLimits":[{"pageSize":"3MB","limit":1}]})"); }),
                HasSubstr("linux.resources.hugepageLimits[0].pageSize"));
}

TEST_F(FakeCgroup, UnifiedIsWrittenVerbatimLineByLine) {
    file("memory.high");
    file("io.max");
    apply(v2(), R"({"unified":{"memory.high":"1000","io.max":"8:0 rbps=1\n8:16 rbps=2\n"}})");
    EXPECT_EQ(content("memory.high"), "1000");
    EXPECT_EQ(content("io.max"), "8:0 rbps=18:16 rbps=2");
    std::string message = message_of([&] { apply(v2(), R"({"unified":{"misc.max":"x"}})"); });
    EXPECT_THAT(message, HasSubstr("linux.resources.unified[\"misc.max\"]"));
    EXPECT_THAT(message, HasSubstr("controller \"misc\""));
    EXPECT_THAT(message_of([&] { apply(v2(), R"({"unified":{"../x":"1"}})"); }),
                HasSubstr("not the name of a file"));
    EXPECT_THAT(message_of([&] { apply(v1("memory"), R"({"unified":{"memory.high":"1"}})"); }),
                HasSubstr("no cgroup v2"));
}

TEST_F(FakeCgroup, WhatTheHostLacksIsAWarningThatNamesTheField) {
    CapturedLog log;
    apply(v1("devices"), R"({"memory":{"limit":1000,"swappiness":10},"pids":{"limit":1},"cpu":{"cpus":"0"},
                             "network":{"classID":1,"priorities":[{"name":"lo","priority":1}]},"rdma":{"x":{"hcaHandles":1}},
                             "hugepageLimits":[{"pageSize":"2MB","limit":1}],"blockIO":{"weight":10}})");
    for (const char* field :
         {"memory.limit", "memory.swappiness", "pids.limit", "cpu.cpus", "network.classID",
          "network.priorities[0]", "rdma.x", "hugepageLimits[0].limit", "blockIO.weight"})
        EXPECT_THAT(log.text(), HasSubstr(fmt::format("linux.resources.{} is left out", field)));
}

TEST_F(FakeCgroup, CheckBeforeUpdateRefusesLimitsBelowTheUsage) {
    file("memory.max", "max\n");
    file("memory.current", "5000\n");
    EXPECT_THAT(message_of([&] { apply(v2(), R"({"memory":{"limit":1000,"checkBeforeUpdate":true}})"); }),
                HasSubstr("linux.resources.memory.limit"));
    EXPECT_EQ(content("memory.max"), "max\n");
}

TEST_F(FakeCgroup, V1DeviceRules) {
    file("devices.allow");
    file("devices.deny");
    spec::Resources resources = spec::decode_resources(
        R"({"devices":[{"allow":true,"type":"a","access":"rw"},{"allow":false,"access":"rwm"},
                       {"allow":true,"type":"c","major":10,"minor":-1,"access":"rw"},{"allow":false,"access":"w"}]})");
    apply_resources(v1("devices"), resources);
    EXPECT_EQ(content("devices.deny"), "ac *:* wb *:* w");
    EXPECT_THAT(content("devices.allow"), testing::StartsWith("c 10:* rwc *:* mb *:* mc 1:3 rwm"));
}

TEST(DeviceRules, DefaultsAreAddedToADenialOfAll) {
    std::vector<DeviceRule> rules = device_rules({});
    using Type = DeviceRule::Type;
    auto allowed = [&](Type type, uint32_t major, uint32_t minor, uint32_t access = DeviceRule::kRead) {
        return sys::device_allowed(rules, type, major, minor, access);
    };
    EXPECT_TRUE(rules.front().decides_all() && !rules.front().allow);
    for (uint32_t minor : {3u, 5u, 7u, 8u, 9u}) EXPECT_TRUE(allowed(Type::character, 1, minor));
    EXPECT_TRUE(allowed(Type::character, 5, 0));
    EXPECT_TRUE(allowed(Type::character, 5, 2));
    EXPECT_TRUE(allowed(Type::character, 136, 7));
    EXPECT_FALSE(allowed(Type::character, 5, 1)) << "the host's console";
    EXPECT_FALSE(allowed(Type::character, 1, 1)) << "the host's memory";
    EXPECT_FALSE(allowed(Type::character, 10, 200)) << "tun";
    EXPECT_FALSE(allowed(Type::block, 8, 0));
    EXPECT_TRUE(allowed(Type::block, 8, 0, DeviceRule::kMknod));
}

TEST(DeviceRules, AllDevicesNeedNoDefaults) {
    EXPECT_EQ(device_rules({{true, "a", {}, {}, "rwm"}}).size(), 1u);
    EXPECT_EQ(device_rules({{false, "", {}, {}, "rwm"}, {true, "", {}, {}, "rwm"}}).size(), 1u);
    EXPECT_GT(device_rules({{true, "a", {}, {}, "rwm"}, {false, "b", {}, {}, "w"}}).size(), 2u);
}

TEST(DeviceRules, ErrorsNameTheField) {
    EXPECT_THAT(message_of([] { (void)device_rules({{true, "x", {}, {}, "r"}}); }),
                HasSubstr("linux.resources.devices[0].type"));
    EXPECT_THAT(message_of([] { (void)device_rules({{true, "a", {}, {}, "r"}, {true, "a", {}, {}, "rx"}}); }),
                HasSubstr("linux.resources.devices[1].access"));
    EXPECT_THAT(message_of([] { (void)device_rules({{true, "a", {}, {}, ""}}); }),
                HasSubstr("devices[0].access"));
}

/// A real cgroup of this host, of whatever version.
class HostLimits : public testing::Test {
  protected:
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "needs root";
        if (CgroupLayout::host().mode() == CgroupLayout::Mode::none) GTEST_SKIP() << "no cgroups are mounted";
        cgroup_ = Cgroup::create("/berth-test-" + random_hex(6), "");
    }
    void TearDown() override {
        cgroup_.kill(SIGKILL);
        cgroup_.remove();
    }
    std::string v1_value(std::string_view controller, const std::string& file) {
        return std::string(trim(sys::read_file(*cgroup_.v1_dir(controller) + "/" + file)));
    }
    void update(const std::string& json) { update_resources(cgroup_, spec::decode_resources(json)); }

    /// The exit code of `body` in the cgroup.
    int run_inside(const std::function<int()>& body) {
        std::vector<UniqueFd> join = cgroup_.join_fds(true);
        pid_t pid = ::fork();
        if (pid == 0) {
            for (const UniqueFd& fd : join)
                if (::write(fd.get(), "0", 1) != 1) ::_exit(255);
            ::_exit(body());
        }
        int status = 0;
        EXPECT_EQ(::waitpid(pid, &status, 0), pid);
        EXPECT_TRUE(WIFEXITED(status));
        return WEXITSTATUS(status);
    }
    Cgroup cgroup_;
};

TEST_F(HostLimits, V1MemoryGrowsShrinksAndIsLifted) {
    if (!cgroup_.v1_dir("memory")) GTEST_SKIP() << "the memory controller is not on v1";
    bool swap = sys::exists(*cgroup_.v1_dir("memory") + "/memory.memsw.limit_in_bytes");
    for (const char* limits : {R"({"memory":{"limit":67108864,"swap":134217728}})",
                               R"({"memory":{"limit":268435456,"swap":268435456}})",
                               R"({"memory":{"limit":33554432,"swap":33554432}})"}) {
        update(limits);
        spec::Resources wanted = spec::decode_resources(limits);
        EXPECT_EQ(v1_value("memory", "memory.limit_in_bytes"), fmt::format("{}", *wanted.memory->limit));
        if (swap) {
            EXPECT_EQ(v1_value("memory", "memory.memsw.limit_in_bytes"),
                      fmt::format("{}", *wanted.memory->swap));
        }
    }
    std::string unlimited = std::string(
        trim(sys::read_file(CgroupLayout::host().v1("memory")->mount_point + "/memory.limit_in_bytes")));
    update(R"({"memory":{"limit":-1}})");
    EXPECT_EQ(v1_value("memory", "memory.limit_in_bytes"), unlimited);
    if (swap) {
        EXPECT_EQ(v1_value("memory", "memory.memsw.limit_in_bytes"), unlimited);
        update(R"({"memory":{"limit":33554432,"swap":33554432}})");
        EXPECT_THAT(message_of([&] { update(R"({"memory":{"limit":67108864}})"); }),
                    HasSubstr("linux.resources.memory.limit"));
    }
}

TEST_F(HostLimits, V1Cpu) {
    if (!cgroup_.v1_dir("cpu")) GTEST_SKIP() << "the cpu controller is not on v1";
    update(R"({"cpu":{"shares":512,"quota":50000,"period":50000,"burst":20000}})");
    EXPECT_EQ(v1_value("cpu", "cpu.shares"), "512");
    EXPECT_EQ(v1_value("cpu", "cpu.cfs_quota_us"), "50000");
    EXPECT_EQ(v1_value("cpu", "cpu.cfs_period_us"), "50000");
    EXPECT_EQ(v1_value("cpu", "cpu.cfs_burst_us"), "20000");
    // The burst must shrink before the quota may.
    update(R"({"cpu":{"quota":10000,"burst":5000}})");
    EXPECT_EQ(v1_value("cpu", "cpu.cfs_quota_us"), "10000");
    EXPECT_EQ(v1_value("cpu", "cpu.cfs_burst_us"), "5000");
    EXPECT_THAT(message_of([&] { update(R"({"cpu":{"quota":1}})"); }),
                HasSubstr("linux.resources.cpu.quota"));
    update(R"({"cpu":{"burst":0,"quota":-1}})");
    EXPECT_EQ(v1_value("cpu", "cpu.cfs_quota_us"), "-1");
    update(R"({"cpu":{"idle":1,"shares":1024}})");
    EXPECT_EQ(v1_value("cpu", "cpu.idle"), "1");
    update(R"({"cpu":{"idle":0,"shares":1024}})");
    EXPECT_EQ(v1_value("cpu", "cpu.shares"), "1024");
}

TEST_F(HostLimits, V1CpusetAndPids) {
    if (!cgroup_.v1_dir("cpuset") || !cgroup_.v1_dir("pids")) GTEST_SKIP() << "the controllers are not on v1";
    update(R"({"cpu":{"cpus":"0","mems":"0"},"pids":{"limit":1}})");
    EXPECT_EQ(v1_value("cpuset", "cpuset.cpus"), "0");
    EXPECT_EQ(run_inside([] { return ::fork() < 0 && errno == EAGAIN ? 0 : 1; }), 0);
    EXPECT_THAT(message_of([&] { update(R"({"cpu":{"cpus":"4000"}})"); }),
                HasSubstr("linux.resources.cpu.cpus"));
}

TEST_F(HostLimits, V1BlockIo) {
    if (!cgroup_.v1_dir("blkio")) GTEST_SKIP() << "blkio is not on v1";
    if (sys::exists(*cgroup_.v1_dir("blkio") + "/blkio.bfq.weight")) {
        update(R"({"blockIO":{"weight":300}})");
        EXPECT_THAT(v1_value("blkio", "blkio.bfq.weight"), HasSubstr("300"));
    }
    EXPECT_THAT(message_of([&] {
                    update(R"({"blockIO":{"throttleReadBpsDevice":[{"major":250,"minor":9999,"rate":1}]}})");
                }),
                HasSubstr("linux.resources.blockIO.throttleReadBpsDevice[0]"));
}

TEST_F(HostLimits, DevicesAreHeld) {
    apply_resources(cgroup_, spec::decode_resources(R"({"devices":[{"allow":false,"access":"rwm"},
        {"allow":true,"type":"c","major":10,"minor":229,"access":"r"}]})"));
    EXPECT_EQ(run_inside([] { return ::open("/dev/null", O_RDWR) >= 0 ? 0 : errno; }), 0);
    // The kernel log is no default device.
    EXPECT_EQ(run_inside([] { return ::open("/dev/kmsg", O_RDONLY) >= 0 ? 0 : errno; }), EPERM);
    apply_resources(cgroup_, spec::decode_resources(R"({"devices":[{"allow":true,"access":"rwm"}]})"));
    EXPECT_EQ(run_inside([] { return ::open("/dev/kmsg", O_RDONLY) >= 0 ? 0 : errno; }), 0);
    update(R"({"pids":{"limit":5}})");
    EXPECT_EQ(run_inside([] { return ::open("/dev/kmsg", O_RDONLY) >= 0 ? 0 : errno; }), 0)
        << "an update without devices";
}

TEST_F(HostLimits, ControllersThatV1LacksAreTakenFromTheUnifiedHierarchy) {
    if (cgroup_.v1_dir("hugetlb") || !cgroup_.unified_dir() || !cgroup_.enable_unified("hugetlb"))
        GTEST_SKIP() << "hugetlb is on v1, or nowhere";
    if (!sys::exists(*cgroup_.unified_dir() + "/hugetlb.2MB.max")) GTEST_SKIP() << "no huge pages of 2 MB";
    update(R"({"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]})");
    EXPECT_EQ(trim(sys::read_file(*cgroup_.unified_dir() + "/hugetlb.2MB.max")), "4194304");
    EXPECT_THAT(message_of([&] { update(R"({"hugepageLimits":[{"pageSize":"3MB","limit":1}]})"); }),
                HasSubstr("3MB"));
}

TEST_F(HostLimits, UpdateOfWhatIsGoneIsAnError) {
    cgroup_.remove();
    EXPECT_THAT(message_of([&] { update(R"({"pids":{"limit":5}})"); }), HasSubstr("cgroup is gone"));
}

}  // namespace
}  // namespace berth::runtime
