// SPDX-License-Identifier: Apache-2.0
#include "default_config.h"

#include <unistd.h>

#include <algorithm>

#include "base/json.h"

namespace berth::oci {

namespace {

spec::Process shell() {
    const std::vector<std::string> few = {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"};
    return {.terminal = true,
            .args = {"sh"},
            .env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"},
            .cwd = "/",
            .capabilities = spec::Capabilities{.bounding = few, .effective = few, .permitted = few},
            .rlimits = {{.type = "RLIMIT_NOFILE", .hard = 1024, .soft = 1024}},
            .noNewPrivileges = true};
}

std::vector<spec::Mount> mounts() {
    return {
        {.destination = "/proc", .type = "proc", .source = "proc"},
        {.destination = "/dev",
         .type = "tmpfs",
         .source = "tmpfs",
         .options = {"nosuid", "strictatime", "mode=755", "size=65536k"}},
        {.destination = "/dev/pts",
         .type = "devpts",
         .source = "devpts",
         .options = {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
        {.destination = "/dev/shm",
         .type = "tmpfs",
         .source = "shm",
         .options = {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
        {.destination = "/dev/mqueue",
         .type = "mqueue",
         .source = "mqueue",
         .options = {"nosuid", "noexec", "nodev"}},
        {.destination = "/sys",
         .type = "sysfs",
         .source = "sysfs",
         .options = {"nosuid", "noexec", "nodev", "ro"}},
        {.destination = "/sys/fs/cgroup",
         .type = "cgroup",
         .source = "cgroup",
         .options = {"nosuid", "noexec", "nodev", "relatime", "ro"}},
    };
}

spec::Linux linux_part() {
    using enum spec::NamespaceType;
    spec::Linux part;
    part.resources.emplace().devices = {{.allow = false, .access = "rwm"}};
    for (spec::NamespaceType type : {pid, network, ipc, uts, mount, cgroup})
        part.namespaces.push_back({.type = type});
    part.maskedPaths = {"/proc/acpi",        "/proc/asound",  "/proc/interrupts",
                        "/proc/kcore",       "/proc/keys",    "/proc/latency_stats",
                        "/proc/sched_debug", "/proc/scsi",    "/proc/timer_list",
                        "/proc/timer_stats", "/sys/firmware", "/sys/devices/virtual/powercap"};
    part.readonlyPaths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
    return part;
}

}  // namespace

spec::Config default_config() {
    return {.ociVersion = spec::kRuntimeSpecVersion,
            .root = spec::Root{.path = "rootfs", .readonly = true},
            .mounts = mounts(),
            .process = shell(),
            .hostname = "berth",
            .linux_ = linux_part()};
}

void make_rootless(spec::Config& config) {
    spec::Linux& part = *config.linux_;
    std::erase_if(part.namespaces,
                  [](const spec::Namespace& ns) { return ns.type == spec::NamespaceType::network; });
    part.namespaces.push_back({.type = spec::NamespaceType::user});
    part.uidMappings = {{.containerID = 0, .hostID = geteuid(), .size = 1}};
    part.gidMappings = {{.containerID = 0, .hostID = getegid(), .size = 1}};
    part.resources.reset();
    for (spec::Mount& mount : config.mounts) {
        // Only one id is mapped: gid 5 is not.
        std::erase_if(mount.options, [](const std::string& option) {
            return option.starts_with("gid=") || option.starts_with("uid=");
        });
        // sysfs can be mounted only by the owner of the network namespace.
        if (mount.destination == "/sys")
            mount = {.destination = "/sys",
                     .type = "none",
                     .source = "/sys",
                     .options = {"rbind", "nosuid", "noexec", "nodev", "ro"}};
    }
    std::erase_if(config.mounts,
                  [](const spec::Mount& mount) { return mount.destination == "/sys/fs/cgroup"; });
}

std::string config_json(const spec::Config& config) {
    return json::print_indented(json::parse(spec::encode_config(config)), "\t") + '\n';
}

}  // namespace berth::oci
