// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/default_mounts.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "engine/oci/modes.h"
#include "engine/oci/security_options.h"

namespace berth::engine {

namespace {

std::vector<spec::Mount> docker_defaults(const BuildInput& input) {
    const auto& host_config = input.host_config;
    bool privileged = host_config.Privileged;
    SecurityOptions security = parse_security_options(spec::api::items(host_config.SecurityOpt));
    std::vector<spec::Mount> mounts = {
        {"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}, {}, {}},
        {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}, {}, {}},
        {"/dev/pts",
         "devpts",
         "devpts",
         {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"},
         {},
         {}},
        {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev"}, {}, {}},
        {"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev"}, {}, {}},
        {"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}, {}, {}},
    };
    for (spec::Mount& mount : mounts) {
        bool writable = mount.type == "sysfs" ? privileged : privileged || security.writable_cgroups;
        if ((mount.type == "sysfs" || mount.type == "cgroup") && !writable) mount.options.emplace_back("ro");
    }
    // The other modes have a folder of the host there, or nothing.
    if (host_config.IpcMode != "none")
        mounts.push_back(
            {"/dev/shm",
             "tmpfs",
             "shm",
             {"nosuid", "noexec", "nodev", "mode=1777", "size=" + std::to_string(host_config.ShmSize)},
             {},
             {}});
    return mounts;
}

spec::Mount bind_mount(std::string destination, std::string source, bool writable) {
    spec::Mount mount{std::move(destination), "bind", std::move(source), {"rbind", "rprivate"}, {}, {}};
    if (!writable) mount.options.emplace_back("ro");
    return mount;
}

/// The engine's own binds, which give way to the user's.
std::vector<spec::Mount> engine_binds(const BuildInput& input) {
    std::vector<spec::Mount> mounts;
    bool writable = !input.host_config.ReadonlyRootfs;
    auto add = [&](const char* destination, const std::string& source) {
        if (!source.empty()) mounts.push_back(bind_mount(destination, source, writable));
    };
    add("/etc/resolv.conf", input.resolv_conf_path);
    add("/etc/hostname", input.hostname_path);
    add("/etc/hosts", input.hosts_path);
    const std::string& ipc = input.host_config.IpcMode;
    if (ipc == "host")
        mounts.push_back(bind_mount("/dev/shm", "/dev/shm", true));
    else if ((ipc == "shareable" || is_container_mode(ipc)) && !input.shm_path.empty())
        mounts.push_back(bind_mount("/dev/shm", input.shm_path, true));
    return mounts;
}

bool has_mount(const std::vector<spec::Mount>& mounts, std::string_view destination) {
    return std::ranges::any_of(mounts, [&](const auto& one) { return one.destination == destination; });
}

ptrdiff_t depth(const spec::Mount& mount) {
    return std::ranges::count(mount.destination, '/');
}

/// With a read-only root everything of ours is, too, but for what a program can't do without.
void make_readonly(std::vector<spec::Mount>& defaults) {
    static constexpr std::array<std::string_view, 5> kWritable = {"/proc", "/dev/pts", "/dev/shm",
                                                                  "/dev/mqueue", "/dev"};
    for (spec::Mount& mount : defaults) {
        if (std::ranges::find(kWritable, mount.destination) != kWritable.end()) continue;
        if (std::ranges::find(mount.options, "ro") == mount.options.end()) mount.options.emplace_back("ro");
    }
}

}  // namespace

bool uses_init(const BuildInput& input) {
    return input.host_config.PidMode.empty() && input.host_config.Init.value_or(input.daemon.init);
}

std::vector<spec::Mount> container_mounts(const BuildInput& input) {
    std::vector<spec::Mount> users;
    auto add = [&](spec::Mount mount) {
        auto place = std::ranges::upper_bound(users, depth(mount), {}, depth);
        users.insert(place, std::move(mount));
    };
    for (const spec::Mount& mount : input.mounts) add(mount);
    for (spec::Mount& mount : engine_binds(input))
        if (!has_mount(input.mounts, mount.destination)) add(std::move(mount));

    std::vector<spec::Mount> mounts = docker_defaults(input);
    bool covers_dev = has_mount(users, "/dev");
    std::erase_if(mounts, [&](const spec::Mount& mount) {
        return has_mount(users, mount.destination) || (covers_dev && mount.destination.starts_with("/dev/"));
    });
    // Docker makes /sys and the cgroups of a privileged container writable after this.
    if (input.host_config.ReadonlyRootfs && !input.host_config.Privileged) make_readonly(mounts);
    std::ranges::move(users, std::back_inserter(mounts));
    if (uses_init(input)) {
        const std::string& own = input.daemon.init_path;
        mounts.push_back({kInitPath, "bind", own.empty() ? input.shim_path : own, {"bind", "ro"}, {}, {}});
    }
    return mounts;
}

}  // namespace berth::engine
