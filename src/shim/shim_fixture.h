// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "base/strings.h"
#include "shim/client.h"
#include "shim/run.h"
#include "sys/file.h"

/// Tests against a real shim with a real container. The test's own program is the shim too: its main() begins
/// with `if (argc > 1 && std::strcmp(argv[1], "run") == 0) return shim::run_main(argc - 1, argv + 1);`.
namespace berth::shim {

inline constexpr const char* kBusybox = "/bin/busybox";

inline std::string config(std::string_view script, bool terminal = false) {
    json::Object process{{"terminal", terminal},
                         {"user", json::Object{{"uid", 0}, {"gid", 0}}},
                         {"args", json::Array{"/bin/busybox", "sh", "-c", json::Value(script)}},
                         {"env", json::Array{"PATH=/bin"}},
                         {"cwd", "/"}};
    json::Array namespaces;
    for (const char* type : {"pid", "mount", "ipc", "uts", "network"})
        namespaces.push_back(json::Object{{"type", type}});
    json::Object proc{{"destination", "/proc"}, {"type", "proc"}, {"source", "proc"}};
    json::Object pts{{"destination", "/dev/pts"},
                     {"type", "devpts"},
                     {"source", "devpts"},
                     {"options", json::Array{"newinstance", "ptmxmode=0666"}}};
    json::Object dev{{"destination", "/dev"}, {"type", "tmpfs"}, {"source", "tmpfs"}};
    return json::print(json::Object{{"ociVersion", "1.2.0"},
                                    {"process", std::move(process)},
                                    {"root", json::Object{{"path", "rootfs"}}},
                                    {"mounts", json::Array{proc, dev, pts}},
                                    {"linux", json::Object{{"namespaces", std::move(namespaces)}}}});
}

inline std::string shell(std::string_view script) {
    return json::print(json::Object{{"args", json::Array{"/bin/busybox", "sh", "-c", json::Value(script)}},
                                    {"cwd", "/"},
                                    {"user", json::Object{{"uid", 0}, {"gid", 0}}}});
}

inline std::string read_to_end(UniqueFd fd) {
    return sys::read_all(fd.get(), "pipe");
}

struct Pipe {
    UniqueFd read, write;
    Pipe() {
        std::array<int, 2> fds{};
        EXPECT_EQ(pipe2(fds.data(), O_CLOEXEC), 0);
        read.reset(fds[0]);
        write.reset(fds[1]);
    }
};

class ShimTest : public testing::Test {
  protected:
    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "containers with cgroups and devices need root";
        if (!sys::exists(kBusybox) && !sys::exists("/usr/bin/busybox"))
            GTEST_SKIP() << "busybox-static is not installed";
        path_ = "/tmp/berth-shim-test-XXXXXX";
        ASSERT_NE(mkdtemp(path_.data()), nullptr);
        sys::make_dirs(path_ + "/rootfs/bin");
        for (const char* name : {"proc", "dev", "sys"}) sys::make_dirs(path_ + "/rootfs/" + name);
        std::string busybox = sys::read_file(kBusybox);
        UniqueFd copy = sys::open_file(path_ + "/rootfs/bin/busybox", O_WRONLY | O_CREAT, 0755);
        sys::write_all(copy.get(), busybox, "busybox");
        directory_ = sys::open_file(path_, O_PATH | O_DIRECTORY);
        options_.id = "ct" + random_hex(6);
        options_.runtime_root = path_ + "/state";
    }
    void TearDown() override {
        if (!directory_) return;
        EXPECT_FALSE(sys::exists(path_ + "/state/" + options_.id)) << "the runtime's state is left";
        sys::remove_tree_at(AT_FDCWD, path_);
    }

    Spawned start_shim(std::string_view script, bool terminal = false) {
        sys::write_file_atomic_at(directory_.get(), "config.json", config(script, terminal));
        sys::write_file_atomic_at(directory_.get(), "shim.json", encode_options(options_));
        return spawn("/proc/self/exe", directory_.get(), options_.id);
    }

    std::string path_;
    UniqueFd directory_;
    ShimOptions options_;
};

}  // namespace berth::shim
