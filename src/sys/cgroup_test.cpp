// SPDX-License-Identifier: Apache-2.0
#include "sys/cgroup.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/strings.h"
#include "sys/file.h"

namespace berth::sys {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

template <typename Body>
std::string message_of(Body&& body) {
    try {
        body();
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

const CgroupLayout& host() {
    return CgroupLayout::host();
}

/// A process in a cgroup; killed and reaped at the end.
class Member {
  public:
    /// Returns when the process is in the cgroup and about to run `body`.
    Member(const Cgroup& cgroup, const std::function<void()>& body) {
        std::vector<UniqueFd> join = cgroup.join_fds(true);
        int ready[2];
        EXPECT_EQ(::pipe2(ready, O_CLOEXEC), 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            for (const UniqueFd& fd : join)
                if (::write(fd.get(), "0", 1) != 1) ::_exit(255);
            (void)!::write(ready[1], "x", 1);
            body();
            ::_exit(0);
        }
        ::close(ready[1]);
        char byte = 0;
        EXPECT_EQ(::read(ready[0], &byte, 1), 1) << "the process could not join";
        ::close(ready[0]);
    }
    Member(const Member&) = delete;
    ~Member() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        wait();
    }
    pid_t pid() const { return pid_; }
    int wait() {
        int status = 0;
        EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
        pid_ = -1;
        return status;
    }

  private:
    pid_t pid_ = -1;
};

[[noreturn]] void sleep_forever() {
    while (true) ::pause();
}

/// Which of this machine's hierarchies a test uses: all as create() makes them, or one kind only.
enum class Kind { all, v1, unified };

class HostCgroup : public testing::TestWithParam<Kind> {
  protected:
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "needs root";
        bool has_v1 = !host().hierarchies().empty() && !host().hierarchies().back().unified();
        if (GetParam() == Kind::v1 && !has_v1) GTEST_SKIP() << "no cgroup v1 hierarchy is mounted";
        if (GetParam() == Kind::unified && !host().unified()) GTEST_SKIP() << "no cgroup2 is mounted";
        name_ = "/berth-test-" + random_hex(6);
        whole_ = Cgroup::create(name_ + "/c", "");
        std::map<std::string, std::string> paths = whole_->paths();
        std::erase_if(paths, [](const auto& entry) {
            return (GetParam() == Kind::v1 && entry.first.empty()) ||
                   (GetParam() == Kind::unified && !entry.first.empty());
        });
        cgroup_ = Cgroup::open(paths);
    }
    void TearDown() override {
        if (!whole_) return;
        std::map<std::string, std::string> parents;
        for (const auto& [key, dir] : whole_->paths()) parents[key] = dir.substr(0, dir.find_last_of('/'));
        Cgroup all = Cgroup::open(parents);
        all.kill(SIGKILL);
        all.remove();
        EXPECT_FALSE(all.exists());
    }
    Cgroup& cgroup() { return *cgroup_; }

    std::string name_;
    std::optional<Cgroup> whole_;
    std::optional<Cgroup> cgroup_;
};

INSTANTIATE_TEST_SUITE_P(Kinds, HostCgroup, testing::Values(Kind::all, Kind::v1, Kind::unified),
                         [](const auto& info) {
                             return info.param == Kind::all  ? "All"
                                    : info.param == Kind::v1 ? "V1"
                                                             : "Unified";
                         });

TEST_P(HostCgroup, JoinedProcessesAreListedAndRemovalWaitsForThem) {
    EXPECT_TRUE(cgroup().empty());
    Member member(cgroup(), sleep_forever);
    EXPECT_THAT(cgroup().processes(), ElementsAre(member.pid()));
    EXPECT_FALSE(cgroup().empty());
    EXPECT_THAT(message_of([&] { cgroup().remove(std::chrono::milliseconds(5)); }),
                HasSubstr("1 process(es) in it"));
    cgroup().kill(SIGKILL);
    int status = member.wait();
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    cgroup().remove();
    EXPECT_FALSE(cgroup().exists());
    EXPECT_NO_THROW(cgroup().remove());
    EXPECT_TRUE(cgroup().empty());
    EXPECT_NO_THROW(cgroup().kill(SIGKILL));
}

TEST_P(HostCgroup, FrozenProcessesStandStillUntilThawed) {
    auto* counter = static_cast<std::atomic<uint64_t>*>(::mmap(
        nullptr, sizeof(std::atomic<uint64_t>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(counter, MAP_FAILED);
    Member member(cgroup(), [&] {
        while (true) counter->fetch_add(1);
    });
    EXPECT_FALSE(cgroup().frozen());
    cgroup().freeze();
    EXPECT_TRUE(cgroup().frozen());
    uint64_t before = counter->load();
    ::poll(nullptr, 0, 20);
    EXPECT_EQ(counter->load(), before);
    cgroup().freeze();
    cgroup().thaw();
    EXPECT_FALSE(cgroup().frozen());
    while (counter->load() == before) ::sched_yield();
    cgroup().thaw();
    ::munmap(counter, sizeof *counter);
}

TEST_P(HostCgroup, KillReachesTheFrozen) {
    Member member(cgroup(), sleep_forever);
    cgroup().freeze();
    cgroup().kill(SIGKILL);
    EXPECT_EQ(WTERMSIG(member.wait()), SIGKILL);
}

TEST_P(HostCgroup, KillReachesForkersAndNestedCgroups) {
    for (const auto& [key, dir] : cgroup().paths()) ASSERT_EQ(::mkdir((dir + "/nested").c_str(), 0755), 0);
    Cgroup nested = cgroup().below({"nested"});
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    // A chain: each process forks the next and ends. A single pass over the list of pids seldom catches it.
    Member forker(cgroup(), [] {
        while (true)
            if (::fork() > 0) ::_exit(0);
    });
    Member inner(nested, sleep_forever);
    EXPECT_THAT(nested.processes(), ElementsAre(inner.pid()));
    EXPECT_THAT(cgroup().processes(), testing::Contains(inner.pid()));
    EXPECT_THAT(cgroup().processes(false), testing::Not(testing::Contains(inner.pid())));
    cgroup().kill(SIGKILL);
    EXPECT_EQ(WTERMSIG(inner.wait()), SIGKILL);
    forker.wait();
    // The chain's orphans are children of ours now. A chain that was missed would go on forever.
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    pid_t reaped = 0;
    while ((reaped = ::waitpid(-1, nullptr, WNOHANG)) >= 0 && std::chrono::steady_clock::now() < deadline)
        if (reaped == 0) ::poll(nullptr, 0, 1);
    EXPECT_EQ(reaped, -1) << "a process survived";
    ::prctl(PR_SET_CHILD_SUBREAPER, 0);
    cgroup().remove();
    EXPECT_FALSE(nested.exists());
    EXPECT_FALSE(cgroup().exists());
}

TEST_P(HostCgroup, OtherSignalsReachAllAndThaw) {
    auto body = [] {
        ::signal(SIGUSR1, [](int) { ::_exit(7); });
        while (true) ::pause();
    };
    Member one(cgroup(), body);
    Member two(cgroup(), body);
    // The handlers may not be set yet; SIGUSR1 ends the processes in either case.
    cgroup().kill(SIGUSR1);
    for (Member* member : {&one, &two}) {
        int status = member->wait();
        EXPECT_TRUE((WIFEXITED(status) && WEXITSTATUS(status) == 7) ||
                    (WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1));
    }
    EXPECT_FALSE(cgroup().frozen());
}

TEST_P(HostCgroup, BelowTakesOnlyWhatIsThere) {
    for (const auto& [key, dir] : cgroup().paths()) ASSERT_EQ(::mkdir((dir + "/sub").c_str(), 0755), 0);
    for (const auto& [key, dir] : cgroup().below({"/sub"}).paths())
        EXPECT_THAT(dir, testing::EndsWith("/c/sub"));
    EXPECT_THAT(message_of([&] { cgroup().below({"no"}); }), HasSubstr("has no cgroup"));
    EXPECT_THAT(message_of([&] { cgroup().below({"../x"}); }), HasSubstr("not below"));
    EXPECT_THAT(message_of([&] { cgroup().below({"nothing:sub"}); }), HasSubstr("no such cgroup controller"));
    if (GetParam() != Kind::unified) {
        Cgroup one = cgroup().below({"memory:sub"});
        EXPECT_THAT(*one.v1_dir("memory"), testing::EndsWith("/c/sub"));
        EXPECT_THAT(*one.v1_dir("pids"), testing::EndsWith("/c"));
    }
}

class CgroupCreate : public testing::Test {
  protected:
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "needs root";
        if (host().mode() == CgroupLayout::Mode::none) GTEST_SKIP() << "no cgroups are mounted";
    }
    void TearDown() override {
        for (const CgroupHierarchy& hierarchy : host().hierarchies())
            ::rmdir((hierarchy.mount_point + name_).c_str());
    }
    bool anything_left() const {
        return std::ranges::any_of(host().hierarchies(),
                                   [&](const CgroupHierarchy& h) { return exists(h.mount_point + name_); });
    }
    std::string name_ = "/berth-test-" + random_hex(6);
};

TEST_F(CgroupCreate, PathsAreMountPointsAndTheirPath) {
    Cgroup cgroup = Cgroup::create(name_, "id");
    ASSERT_EQ(cgroup.paths().size(), host().hierarchies().size());
    for (const CgroupHierarchy& hierarchy : host().hierarchies())
        EXPECT_EQ(cgroup.paths().at(hierarchy.key), hierarchy.mount_point + name_);
    cgroup.remove();
}

TEST_F(CgroupCreate, EmptyPathIsTheIdBelowOurParent) {
    std::string id = "test-" + random_hex(6);
    Cgroup cgroup = Cgroup::create("", id);
    for (const auto& [key, dir] : cgroup.paths()) EXPECT_THAT(dir, testing::EndsWith("/berth-oci/" + id));
    cgroup.remove();
    cgroup = Cgroup::create(id, "other");
    for (const auto& [key, dir] : cgroup.paths()) EXPECT_THAT(dir, testing::EndsWith("/berth-oci/" + id));
    cgroup.remove();
}

TEST_F(CgroupCreate, PathsDoNotLeadOut) {
    std::string id = "test-" + random_hex(6);
    Cgroup cgroup = Cgroup::create("../../a/../" + id, "other");
    for (const auto& [key, dir] : cgroup.paths()) EXPECT_THAT(dir, testing::EndsWith("/berth-oci/" + id));
    cgroup.remove();
}

TEST_F(CgroupCreate, RefusesPathsOfNoCgroup) {
    for (const char* path : {"..", "/..", "/", "//", "/a/..", ".", "a/.."})
        EXPECT_THAT(message_of([&] { Cgroup::create(path, "id"); }), HasSubstr("linux.cgroupsPath")) << path;
    EXPECT_THAT(message_of([&] { Cgroup::create("system.slice:berth:x", "id"); }),
                HasSubstr("--systemd-cgroup"));
}

TEST_F(CgroupCreate, CpusetsAreReadyForProcesses) {
    if (!host().v1("cpuset")) GTEST_SKIP() << "no v1 cpuset";
    // Below a parent of ours (clone_children), and below one of others, which has none.
    ASSERT_EQ(::mkdir((host().v1("cpuset")->mount_point + name_).c_str(), 0755), 0);
    for (const std::string& path : {name_ + "/x", name_ + "/x/y/z"}) {
        Cgroup cgroup = Cgroup::create(path, "");
        for (const char* file : {"/cpuset.cpus", "/cpuset.mems"})
            EXPECT_NE(trim(read_file(*cgroup.v1_dir("cpuset") + file)), "") << path << file;
        Member member(cgroup, sleep_forever);
        EXPECT_FALSE(cgroup.empty());
        cgroup.kill(SIGKILL);
        member.wait();
        cgroup.remove();
    }
    std::map<std::string, std::string> paths;
    for (const CgroupHierarchy& hierarchy : host().hierarchies())
        paths[hierarchy.key] = hierarchy.mount_point + name_;
    Cgroup::open(paths).remove();
}

TEST_F(CgroupCreate, RefusesOneInUseAndLeavesIt) {
    Cgroup first = Cgroup::create(name_, "");
    Member member(first, sleep_forever);
    EXPECT_THAT(message_of([&] { Cgroup::create(name_, ""); }), HasSubstr("container's cgroup is not empty"));
    EXPECT_THAT(first.processes(), ElementsAre(member.pid()));
    first.kill(SIGKILL);
    member.wait();
    EXPECT_NO_THROW(Cgroup::create(name_, ""));
    first.remove();
}

TEST_F(CgroupCreate, LeavesNothingBehindOnFailure) {
    // The layout's last hierarchy can't be written: its mount point is a file.
    std::string text;
    std::string keys;
    for (const CgroupHierarchy& hierarchy : host().hierarchies()) {
        if (hierarchy.unified()) continue;
        text += fmt::format("1 1 0:1 / {} rw - cgroup cgroup rw,{}\n", hierarchy.mount_point, hierarchy.key);
        keys += fmt::format("1:{}:/\n", hierarchy.key);
    }
    text += "1 1 0:1 / /proc/version rw - cgroup cgroup rw,broken\n";
    keys += "1:broken:/\n";
    CgroupLayout layout = CgroupLayout::parse(text, keys, [](const auto&, auto) { return true; });
    EXPECT_THAT(message_of([&] { Cgroup::create(name_ + "/deep/er", "", layout); }),
                HasSubstr("/proc/version"));
    EXPECT_FALSE(anything_left());
}

TEST_F(CgroupCreate, UnifiedControllersAreEnabledOnRequest) {
    const CgroupHierarchy* unified = host().unified();
    if (!unified) GTEST_SKIP() << "no cgroup2";
    Cgroup cgroup = Cgroup::create(name_ + "/c", "");
    std::string available = read_file(unified->mount_point + "/cgroup.controllers");
    EXPECT_FALSE(cgroup.enable_unified("no-such-controller"));
    for (std::string_view controller : split_fields(available)) {
        EXPECT_TRUE(cgroup.enable_unified(controller)) << controller;
        EXPECT_THAT(read_file(*cgroup.unified_dir() + "/cgroup.controllers"),
                    HasSubstr(std::string(controller)));
    }
    cgroup.remove();
}

TEST_F(CgroupCreate, ExecFollowsInitIntoANestedCgroup) {
    if (!host().unified()) GTEST_SKIP() << "no cgroup2";
    std::string available = read_file(host().unified()->mount_point + "/cgroup.controllers");
    if (trim(available).empty()) GTEST_SKIP() << "cgroup2 has no controller here";
    Cgroup cgroup = Cgroup::create(name_ + "/c", "");
    EXPECT_EQ(cgroup.for_exec(1).paths(), cgroup.paths());
    std::string inner = *cgroup.unified_dir() + "/init";
    ASSERT_EQ(::mkdir(inner.c_str(), 0755), 0);
    std::map<std::string, std::string> paths = cgroup.paths();
    paths[""] = inner;
    Member init(Cgroup::open(paths), sleep_forever);
    std::string_view controller = split_fields(available).front();
    ASSERT_TRUE(cgroup.enable_unified(controller));
    write_kernel_file(*cgroup.unified_dir() + "/cgroup.subtree_control", fmt::format("+{}", controller));
    EXPECT_EQ(*cgroup.for_exec(init.pid()).unified_dir(), inner);
    Member exec(cgroup.for_exec(init.pid()), sleep_forever);
    EXPECT_THAT(cgroup.processes(), UnorderedElementsAre(init.pid(), exec.pid()));
    cgroup.kill(SIGKILL);
    init.wait();
    exec.wait();
    cgroup.remove();
}

/// Takes memory until it is killed.
[[noreturn]] void hog() {
    while (true) {
        void* block = ::mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (block != MAP_FAILED) std::memset(block, 1, 1 << 20);
    }
}

TEST_F(CgroupCreate, TellsOfOutOfMemoryKills) {
    Cgroup cgroup = Cgroup::create(name_, "");
    std::optional<OomEvents> events = cgroup.oom_events();
    if (!events) {
        cgroup.remove();
        GTEST_SKIP() << "no memory controller";
    }
    EXPECT_EQ(cgroup.oom_kills(), 0u);
    bool v1 = cgroup.v1_dir("memory");
    if (v1) {
        write_kernel_file(*cgroup.v1_dir("memory") + "/memory.limit_in_bytes", "8388608");
    } else {
        write_kernel_file(*cgroup.unified_dir() + "/memory.max", "8388608");
        write_kernel_file(*cgroup.unified_dir() + "/memory.swap.max", "0");
    }
    pollfd entry{events->fd(), events->events(), 0};
    EXPECT_EQ(::poll(&entry, 1, 0), 0);
    Member member(cgroup, hog);
    EXPECT_EQ(::poll(&entry, 1, 20'000), 1);
    EXPECT_EQ(WTERMSIG(member.wait()), SIGKILL);
    EXPECT_TRUE(events->drain());
    EXPECT_GE(cgroup.oom_kills().value_or(0), 1u);
    while (::poll(&entry, 1, 50) == 1) EXPECT_TRUE(events->drain());
    cgroup.remove();
    EXPECT_EQ(::poll(&entry, 1, 20'000), 1);
    EXPECT_FALSE(events->drain());
}

TEST(CgroupViews, NamesOptionsAndAliases) {
    CgroupLayout layout = CgroupLayout::parse(
        "1 1 0:1 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
        "1 1 0:2 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "1 1 0:3 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
        "1 1 0:4 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
        "3:cpu,cpuacct:/\n2:memory:/\n1:name=systemd:/\n0::/\n", [](const auto&, auto) { return true; });
    Cgroup cgroup =
        Cgroup::open({{"", "/u/x"}, {"cpu,cpuacct", "/c/x"}, {"name=systemd", "/s/x"}, {"memory", "/m/x"}});
    std::vector<CgroupView> views = cgroup.views(layout);
    ASSERT_EQ(views.size(), 4u);
    EXPECT_EQ(views[0].name, "unified");
    EXPECT_EQ(views[0].fs_type, "cgroup2");
    EXPECT_EQ(views[0].options, "");
    EXPECT_EQ(views[0].dir, "/u/x");
    EXPECT_EQ(views[1].name, "cpu,cpuacct");
    EXPECT_EQ(views[1].options, "cpu,cpuacct");
    EXPECT_THAT(views[1].aliases, ElementsAre("cpu", "cpuacct"));
    EXPECT_EQ(views[2].options, "memory");
    EXPECT_THAT(views[2].aliases, ElementsAre());
    EXPECT_EQ(views[3].name, "systemd");
    EXPECT_EQ(views[3].options, "none,name=systemd,xattr");

    CgroupLayout v2 = CgroupLayout::parse("1 1 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/\n",
                                          [](const auto&, auto) { return true; });
    ASSERT_EQ(Cgroup::open({{"", "/sys/fs/cgroup/x"}}).views(v2).size(), 1u);
    EXPECT_EQ(Cgroup::open({{"", "/sys/fs/cgroup/x"}}).views(v2)[0].name, "");
    EXPECT_TRUE(Cgroup::open({{"", "/sys/fs/cgroup/x"}}).pure_v2());
    EXPECT_FALSE(cgroup.pure_v2());
}

}  // namespace
}  // namespace berth::sys
