// SPDX-License-Identifier: Apache-2.0
#include "runtime/sysctl.h"

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace berth::runtime {

std::optional<std::string> sysctl_path(std::string_view name) {
    std::string path(name);
    size_t separator = path.find_first_of("./");
    if (separator != std::string::npos && path[separator] == '.') {
        for (char& c : path) c = c == '.' ? '/' : c == '/' ? '.' : c;
    }
    if (path.empty() || path.ends_with('/')) return std::nullopt;
    for (std::string_view part : split(path, '/'))
        if (part.empty() || part == "." || part == "..") return std::nullopt;
    return path;
}

std::optional<spec::NamespaceType> sysctl_namespace(std::string_view path) {
    static constexpr std::array<std::string_view, 12> kIpc = {
        "kernel/auto_msgmni",     "kernel/msg_next_id", "kernel/msgmax",      "kernel/msgmnb",
        "kernel/msgmni",          "kernel/sem",         "kernel/sem_next_id", "kernel/shm_next_id",
        "kernel/shm_rmid_forced", "kernel/shmall",      "kernel/shmmax",      "kernel/shmmni",
    };
    if (path.starts_with("net/")) return spec::NamespaceType::network;
    if (path.starts_with("fs/mqueue/") || std::ranges::find(kIpc, path) != kIpc.end())
        return spec::NamespaceType::ipc;
    if (path == "kernel/domainname" || path == "kernel/hostname") return spec::NamespaceType::uts;
    return std::nullopt;
}

}  // namespace berth::runtime
