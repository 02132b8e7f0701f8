// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace berth::sys {

/// One mounted cgroup hierarchy.
struct CgroupHierarchy {
    /// As in the second field of /proc/PID/cgroup: "" for cgroup v2, else the comma-separated controllers of
    /// a v1 hierarchy ("cpu,cpuacct", "memory") or its name ("name=systemd").
    std::string key;
    std::vector<std::string> controllers;  ///< v1: those of the key, without a name; v2: empty
    std::string mount_point;
    std::string root = "/";  ///< what of the hierarchy the mount shows: all, or from this path on
    std::string own_path;    ///< the path of this process below mount_point ("/", "/user.slice", …)
    bool xattr = false;      ///< v1: mounted with the option "xattr"

    bool unified() const noexcept { return key.empty(); }
    /// A path of /proc/PID/cgroup, as it is below mount_point; "/" if the mount doesn't show it.
    std::string below_mount(std::string_view path) const;
};

/// How the host mounts its cgroups. Immutable.
class CgroupLayout {
  public:
    enum class Mode {
        none,    ///< no hierarchy is mounted
        v1,      ///< only v1 hierarchies
        hybrid,  ///< v1 hierarchies, and cgroup2 beside them
        v2,      ///< only cgroup2
    };

    /// This process's view, read once from /proc/self/mountinfo and /proc/self/cgroup. Throws if /proc isn't
    /// there.
    static const CgroupLayout& host();

    /// `visible(mount point, "major:minor")` tells whether the mount is what one reaches at its mount point;
    /// mounts that others cover are skipped, and so is a second mount of the same hierarchy.
    static CgroupLayout parse(std::string_view mountinfo, std::string_view proc_cgroup,
                              const std::function<bool(const std::string&, std::string_view)>& visible);

    Mode mode() const noexcept { return mode_; }
    /// The unified one (if any) comes first, the others in the order of /proc/self/cgroup.
    const std::vector<CgroupHierarchy>& hierarchies() const noexcept { return hierarchies_; }
    /// The v1 hierarchy that holds a controller ("memory", also "name=systemd"), or null.
    const CgroupHierarchy* v1(std::string_view controller) const noexcept;
    /// The cgroup2 hierarchy, or null.
    const CgroupHierarchy* unified() const noexcept;

  private:
    Mode mode_ = Mode::none;
    std::vector<CgroupHierarchy> hierarchies_;
};

/// Whether `controller` is one of the comma-separated names in `key`.
bool cgroup_key_has(std::string_view key, std::string_view controller) noexcept;

}  // namespace berth::sys
