// SPDX-License-Identifier: Apache-2.0
#include "runtime/id_mapping.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/strings.h"
#include "launch/syscalls.h"
#include "sys/file.h"
#include "sys/process.h"

namespace berth::runtime {

namespace {

bool have_capability(int cap) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    if (::syscall(SYS_capget, &header, data) < 0) return false;
    return (data[cap / 32].effective >> (cap % 32) & 1) != 0;
}

std::string map_text(const std::vector<spec::IdMapping>& mappings) {
    std::string text;
    for (const spec::IdMapping& map : mappings)
        text += fmt::format("{} {} {}\n", map.containerID, map.hostID, map.size);
    return text;
}

bool only_self(const std::vector<spec::IdMapping>& mappings, uint32_t id) {
    return mappings.size() == 1 && mappings[0].size == 1 && mappings[0].hostID == id;
}

void run_map_tool(const char* tool, pid_t pid, const std::vector<spec::IdMapping>& mappings) {
    sys::SpawnOptions options;
    options.path = fmt::format("/usr/bin/{}", tool);
    options.argv = {tool, std::to_string(pid)};
    for (const spec::IdMapping& map : mappings) {
        options.argv.push_back(std::to_string(map.containerID));
        options.argv.push_back(std::to_string(map.hostID));
        options.argv.push_back(std::to_string(map.size));
    }
    sys::Finished finished = sys::run(options, "", std::chrono::seconds(10));
    if (finished.status.code != 0)
        throw make_error(ErrorKind::forbidden, "{}: {} (the ranges this user may map are in /etc/sub{}id)",
                         join(options.argv, " "), trim(finished.output), tool[3]);
}

/// One direction: directly if permitted.
void write_map(const char* file, const char* tool, pid_t pid, const std::vector<spec::IdMapping>& mappings,
               bool direct) {
    if (!direct) return run_map_tool(tool, pid, mappings);
    sys::write_kernel_file(fmt::format("/proc/{}/{}", pid, file), map_text(mappings));
}

}  // namespace

bool can_administer() {
    return have_capability(CAP_SYS_ADMIN);
}

bool is_host_root() {
    if (!can_administer()) return false;
    std::optional<std::string> map = sys::try_read_file("/proc/self/uid_map");
    if (!map) return true;  // a kernel without user namespaces
    std::vector<std::string_view> fields = split_fields(*map);
    return fields.size() == 3 && fields[0] == "0" && fields[1] == "0" && fields[2] == "4294967295";
}

bool write_mappings(pid_t pid, const IdMappings& mappings) {
    bool setgroups = true;
    bool direct_uid = have_capability(CAP_SETUID), direct_gid = have_capability(CAP_SETGID);
    if (!direct_gid && only_self(mappings.gid, ::getegid())) {
        sys::write_kernel_file(fmt::format("/proc/{}/setgroups", pid), "deny");
        direct_gid = true;
        setgroups = false;
    }
    if (!direct_uid && only_self(mappings.uid, ::geteuid())) direct_uid = true;
    with_context("linux.gidMappings",
                 [&] { write_map("gid_map", "newgidmap", pid, mappings.gid, direct_gid); });
    with_context("linux.uidMappings",
                 [&] { write_map("uid_map", "newuidmap", pid, mappings.uid, direct_uid); });
    return setgroups;
}

int MappingNamespaces::get(const IdMappings& mappings) {
    for (auto& [known, fd] : made_)
        if (known == mappings) return fd.get();

    int pidfd = -1;
    clone_args args{};
    args.flags = CLONE_NEWUSER | CLONE_PIDFD;
    args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
    args.exit_signal = SIGCHLD;
    const pid_t parent = ::getpid();
    long pid = launch::clone_process(args);
    if (pid < 0)
        throw errno_error(static_cast<int>(-pid), "clone3 of a user namespace for an idmapped mount");
    if (pid == 0) {
        launch::call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        // It may have died before that was set.
        while (launch::call(SYS_getppid) == parent) launch::call(SYS_pause);
        launch::call(SYS_exit_group, 0);
    }
    sys::Child holder(static_cast<pid_t>(pid), UniqueFd(pidfd));
    write_mappings(holder.pid(), mappings);
    UniqueFd fd = sys::open_file(fmt::format("/proc/{}/ns/user", holder.pid()), O_RDONLY);
    made_.emplace_back(mappings, std::move(fd));
    return made_.back().second.get();
}

}  // namespace berth::runtime
