// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/shim_program.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>

#include <fmt/format.h>

namespace berth::engine {
namespace {

std::string find_shim() {
    if (const char* given = std::getenv("BERTH_SHIM"); given != nullptr && *given != '\0') return given;
    std::string path(4096, '\0');
    ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
    path.resize(size > 0 ? static_cast<size_t>(size) : 0);
    return path.substr(0, path.rfind('/') + 1) + "berth-shim";
}

/// Empty where there is no such file, or this process may not mount.
UniqueFd read_only_mount(const std::string& path) {
    UniqueFd mount(::open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    if (!mount || ::mount_setattr(mount.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) < 0)
        return {};
    return mount;
}

}  // namespace

ShimProgram::ShimProgram() : path_(find_shim()), mount_(read_only_mount(path_)) {
    executable_ = mount_ ? fmt::format("/proc/{}/fd/{}", ::getpid(), mount_.get()) : path_;
}

}  // namespace berth::engine
