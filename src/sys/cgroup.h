// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "sys/cgroup_layout.h"

/// Control groups. https://docs.kernel.org/admin-guide/cgroup-v2.html and …/cgroup-v1/; linux.cgroupsPath of
/// the OCI runtime specification (config-linux.md, Cgroups Path).
namespace berth::sys {

/// Where the relative (or missing) cgroup paths of containers go, below each hierarchy's mount point.
inline constexpr std::string_view kCgroupParent = "berth-oci";

/// What a mount of type "cgroup" in a container shows of one hierarchy.
struct CgroupView {
    std::string name;     ///< folder below the mount's destination ("memory", "cpu,cpuacct", "unified");
                          ///< "" in mode v2: the destination itself
    std::string fs_type;  ///< "cgroup" or "cgroup2"
    std::string
        options;  ///< to mount it anew in a cgroup namespace: "cpu,cpuacct", "none,name=systemd"; cgroup2: ""
    std::vector<std::string> aliases;  ///< symlinks to `name` that people expect beside it ("cpu", "cpuacct")
    std::string dir;  ///< the container's directory on the host, to bind without a cgroup namespace
};

/// Tells of out-of-memory kills in a cgroup.
///   poll fd() for events(); when it is ready, drain(); then compare Cgroup::oom_kills() with what it was.
/// v1: an eventfd bound to memory.oom_control; v2: memory.events. Both also become ready when the cgroup is
/// removed.
class OomEvents {
  public:
    int fd() const noexcept { return fd_.get(); }
    /// POLLIN or POLLPRI: ask for nothing else (a kernfs file is always readable).
    short events() const noexcept;
    /// Makes the descriptor quiet until the next event. False when the cgroup is gone: then close it.
    bool drain();

  private:
    friend class Cgroup;
    OomEvents(UniqueFd fd, std::string removed_when_absent)
        : fd_(std::move(fd)), control_(std::move(removed_when_absent)) {}
    UniqueFd fd_;
    std::string control_;  ///< v1: the file whose absence means that the cgroup is gone; v2: ""
};

/// One container's cgroup, in all hierarchies. A handle: copying it copies paths, destroying it removes
/// nothing. Not bound to the process: `open` gives an equal handle from what `paths` gave.
class Cgroup {
  public:
    /// One in no hierarchy at all: everything here is done at once, and finds nothing.
    Cgroup() = default;

    /// Makes the cgroup of container `id` in every hierarchy of `layout`; nothing stays behind on failure.
    /// `cgroups_path` is linux.cgroupsPath: absolute (below each mount point), or relative or empty (below
    /// kCgroupParent; empty: the id). Directories that are there already are taken if they hold no process
    /// (else conflict). In v2 the host's controllers are enabled for it as far as they can be; in v1 an empty
    /// cpuset takes over its parent's cpus and mems. Errors of the path name linux.cgroupsPath.
    static Cgroup create(const std::string& cgroups_path, const std::string& id,
                         const CgroupLayout& layout = CgroupLayout::host());

    /// The handle that `create` would give; makes and checks nothing but the path. So that it can be recorded
    /// before.
    static Cgroup locate(const std::string& cgroups_path, const std::string& id,
                         const CgroupLayout& layout = CgroupLayout::host());

    /// `paths`: hierarchy key (CgroupHierarchy::key) → absolute directory, as paths() gave it. Looks at
    /// nothing.
    static Cgroup open(std::map<std::string, std::string> paths);

    const std::map<std::string, std::string>& paths() const noexcept { return paths_; }
    bool exists() const;
    /// The directory in the cgroup2 hierarchy, or null.
    const std::string* unified_dir() const noexcept;
    /// The directory in the v1 hierarchy of `controller`, or null.
    const std::string* v1_dir(std::string_view controller) const noexcept;
    /// Whether all there is is cgroup2.
    bool pure_v2() const noexcept { return paths_.size() == 1 && unified_dir(); }
    /// What a mount of type "cgroup" in the container shows, hierarchy by hierarchy. Those that the host no
    /// longer mounts are left out.
    std::vector<CgroupView> views(const CgroupLayout& layout = CgroupLayout::host()) const;

    /// --- processes

    /// Write-only descriptors: a single-threaded process that writes "0" to each of them is in the cgroup
    /// afterwards. v1: `tasks`, which spares the kernel's global lock (cgroup.procs: 5–17 ms). The unified
    /// hierarchy is included only if `with_unified`; leave it out where clone3(CLONE_INTO_CGROUP) takes
    /// unified_fd().
    std::vector<UniqueFd> join_fds(bool with_unified) const;
    /// O_PATH descriptor of unified_dir(); an empty one where there is none.
    UniqueFd unified_fd() const;
    /// The cgroup that an exec joins. It is this one, but where a v2 container has moved its init into a
    /// cgroup below (the kernel then refuses processes in this one) the one that holds `init`.
    Cgroup for_exec(pid_t init) const;
    /// `exec --cgroup`: existing cgroups below this one, given as "path" (in all hierarchies) or
    /// "controller,…:path". invalid_argument if one is not there or leads out.
    Cgroup below(const std::vector<std::string>& subpaths) const;

    /// Pids in the caller's pid namespace. `all_below`: also those in cgroups that the container made.
    std::vector<pid_t> processes(bool all_below = true) const;
    /// No process in it or below. True when it doesn't exist.
    bool empty() const;

    /// --- freezing, killing, removing

    /// Returns when all processes are frozen. After `timeout` the cgroup is thawed and an Error (unavailable)
    /// thrown. The unified hierarchy's freezer is used where there is one (its processes can still be
    /// killed), else v1's.
    void freeze(std::chrono::milliseconds timeout = std::chrono::seconds(10));
    /// Fine when it isn't frozen. conflict if an ancestor is frozen.
    void thaw();
    bool frozen() const;

    /// Sends `signal` to all processes in and below it, also to those that are forking meanwhile. What
    /// SIGKILL is sent to dies even if it is frozen. Doesn't wait for their end.
    void kill(int signal);

    /// Removes it and what is below, in all hierarchies. Kills nothing: waits at most `timeout` for processes
    /// that are about to end, then throws conflict. Absent is fine.
    void remove(std::chrono::milliseconds timeout = std::chrono::seconds(2));

    /// --- out of memory

    /// Processes killed in it and below since it was made. Nothing without a memory controller.
    std::optional<uint64_t> oom_kills() const;
    /// Nothing without a memory controller.
    std::optional<OomEvents> oom_events() const;

    /// --- files

    /// Makes a controller of the unified hierarchy available here: enables it in the parents'
    /// cgroup.subtree_control. False if the kernel doesn't have it there, or refuses. Needed only in hybrid
    /// mode: `create` does it in v2.
    bool enable_unified(std::string_view controller) const;

  private:
    explicit Cgroup(std::map<std::string, std::string> paths) : paths_(std::move(paths)) {}

    const std::string& processes_dir() const;
    void signal_all(int signal);

    std::map<std::string, std::string> paths_;
};

}  // namespace berth::sys
