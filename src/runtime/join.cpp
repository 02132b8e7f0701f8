// SPDX-License-Identifier: Apache-2.0
#include "runtime/join.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "sys/file.h"

namespace berth::runtime {

namespace {

using spec::NamespaceType;

struct Kind {
    NamespaceType type;
    int flag;
    const char* name;
    const char* words;
};
constexpr Kind kKinds[] = {
    {NamespaceType::mount, CLONE_NEWNS, "mnt", "mount"},
    {NamespaceType::pid, CLONE_NEWPID, "pid", "pid"},
    {NamespaceType::network, CLONE_NEWNET, "net", "network"},
    {NamespaceType::uts, CLONE_NEWUTS, "uts", "uts"},
    {NamespaceType::ipc, CLONE_NEWIPC, "ipc", "ipc"},
    {NamespaceType::user, CLONE_NEWUSER, "user", "user"},
    {NamespaceType::cgroup, CLONE_NEWCGROUP, "cgroup", "cgroup"},
    {NamespaceType::time, CLONE_NEWTIME, "time", "time"},
};

const Kind& kind_of(NamespaceType type) {
    for (const Kind& kind : kKinds)
        if (kind.type == type) return kind;
    throw Error(ErrorKind::internal, "an unknown kind of namespace");
}

}  // namespace

int clone_flag(NamespaceType type) {
    return kind_of(type).flag;
}
const char* proc_name(NamespaceType type) {
    return kind_of(type).name;
}

int differing_namespaces(pid_t pid) {
    UniqueFd theirs = sys::open_file(fmt::format("/proc/{}/ns", pid), O_RDONLY | O_DIRECTORY);
    UniqueFd ours = sys::open_file("/proc/self/ns", O_RDONLY | O_DIRECTORY);
    int flags = 0;
    for (const Kind& kind : kKinds) {
        struct stat their_stat{}, our_stat{};
        if (::fstatat(ours.get(), kind.name, &our_stat, 0) < 0) continue;  // the kernel lacks this kind
        sys::check(::fstatat(theirs.get(), kind.name, &their_stat, 0),
                   [&] { return fmt::format("stat /proc/{}/ns/{}", pid, kind.name); });
        if (their_stat.st_ino != our_stat.st_ino || their_stat.st_dev != our_stat.st_dev) flags |= kind.flag;
    }
    return flags;
}

UniqueFd open_namespace(const spec::Namespace& item, size_t index) {
    std::string field = fmt::format("linux.namespaces[{}].path", index);
    return with_context(field, [&] {
        UniqueFd fd = sys::open_file(item.path, O_RDONLY);
        int type = ::ioctl(fd.get(), NS_GET_NSTYPE);
        if (type < 0) throw make_error(ErrorKind::invalid_argument, "{} is no namespace", item.path);
        const Kind& wanted = kind_of(item.type);
        if (type == wanted.flag) return fd;
        const char* found = "other";
        for (const Kind& kind : kKinds)
            if (kind.flag == type) found = kind.words;
        throw make_error(ErrorKind::invalid_argument, "{} is a {} namespace, not a {} namespace", item.path,
                         found, wanted.words);
    });
}

}  // namespace berth::runtime
