// SPDX-License-Identifier: Apache-2.0
#include "engine/files/detached_mount.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>

#include <algorithm>
#include <array>

#include "runtime/mount_options.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

void set_attributes(int tree, uint64_t set, uint64_t clear, uint64_t propagation, unsigned flags) {
    mount_attr attributes{.attr_set = set, .attr_clr = clear, .propagation = propagation};
    sys::check(::mount_setattr(tree, "", AT_EMPTY_PATH | flags, &attributes, sizeof attributes),
               "mount_setattr");
}

/// A file system that is mounted nowhere yet.
UniqueFd make_filesystem(const spec::Mount& mount, const runtime::MountOptions& options) {
    UniqueFd fs(::fsopen(mount.type.c_str(), FSOPEN_CLOEXEC));
    if (!fs) throw errno_error(errno, "fsopen " + mount.type);
    auto set = [&](const std::string& key, const std::string* value) {
        int result = value != nullptr
                         ? ::fsconfig(fs.get(), FSCONFIG_SET_STRING, key.c_str(), value->c_str(), 0)
                         : ::fsconfig(fs.get(), FSCONFIG_SET_FLAG, key.c_str(), nullptr, 0);
        sys::check(result, [&] { return fmt::format("{} option {}", mount.type, key); });
    };
    if (!mount.source.empty()) set("source", &mount.source);
    for (const auto& [key, value] : options.data) set(key, value ? &*value : nullptr);
    sys::check(::fsconfig(fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0),
               [&] { return fmt::format("creating the {} mount", mount.type); });
    UniqueFd made(::fsmount(fs.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(options.attr_set)));
    if (!made) throw errno_error(errno, "fsmount " + mount.type);
    return made;
}

}  // namespace

bool holds_files(const spec::Mount& mount) {
    if (runtime::parse_mount_options(mount, mount.destination).bind) return true;
    static constexpr std::array<std::string_view, 9> kOthers = {
        "", "tmpfs", "proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2", "devtmpfs"};
    return std::ranges::find(kOthers, mount.type) == kOthers.end();
}

UniqueFd make_detached_mount(const spec::Mount& mount) {
    runtime::MountOptions options = runtime::parse_mount_options(mount, mount.destination);
    if (!options.bind) return make_filesystem(mount, options);
    unsigned recursive = options.recursive_bind ? AT_RECURSIVE : 0U;
    UniqueFd tree(
        ::open_tree(AT_FDCWD, mount.source.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive));
    if (!tree) throw errno_error(errno, "open_tree " + mount.source);
    // Nothing that is mounted or unmounted in the view may reach the host.
    set_attributes(tree.get(), 0, 0, MS_PRIVATE, recursive);
    set_attributes(tree.get(), options.attr_set, options.attr_clr, 0, 0);
    if ((options.rec_attr_set | options.rec_attr_clr) != 0)
        set_attributes(tree.get(), options.rec_attr_set, options.rec_attr_clr, 0, AT_RECURSIVE);
    return tree;
}

}  // namespace berth::engine
