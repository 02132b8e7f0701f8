// SPDX-License-Identifier: Apache-2.0
#include "sys/cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ranges>

#include "base/error.h"
#include "base/strings.h"
#include "sys/cgroup_tree.h"
#include "sys/file.h"

namespace berth::sys {

namespace {

constexpr std::string_view kField = "linux.cgroupsPath";

/// The container's path below each mount point: absolute, without "." and "..".
std::string container_path(const std::string& cgroups_path, const std::string& id) {
    if (!cgroups_path.starts_with('/') && std::ranges::count(cgroups_path, ':') == 2)
        throw make_error(
            ErrorKind::invalid_argument,
            "{}: {} has the form slice:prefix:name, which needs --systemd-cgroup; without it give a path",
            kField, quote(cgroups_path));
    // ".." can't lead above the root, as in any path; what is relative stays below our parent.
    std::string path = clean_path(cgroups_path.empty() ? id : cgroups_path);
    if (path == "/")
        throw make_error(ErrorKind::invalid_argument, "{}: {} names no cgroup below the root", kField,
                         quote(cgroups_path));
    return cgroups_path.starts_with('/') ? path : fmt::format("/{}{}", kCgroupParent, path);
}

/// Makes directories, and removes those it made unless commit() is called.
class Maker {
  public:
    Maker() = default;
    Maker(const Maker&) = delete;
    ~Maker() {
        for (const std::string& dir : made_ | std::views::reverse) ::rmdir(dir.c_str());
    }
    void commit() { made_.clear(); }

    /// True if it made `dir`, false if it was there.
    bool make(const CgroupHierarchy& hierarchy, const std::string& dir) {
        // A parent may vanish between the two steps, where another container's failed start takes back what
        // it made.
        for (int attempt = 0;; ++attempt) {
            if (::mkdir(dir.c_str(), 0755) == 0) break;
            if (errno == EEXIST) return false;
            if (errno != ENOENT || attempt == 10) throw errno_error(errno, "mkdir " + dir);
            std::string parent(cgroup_parent(dir));
            if (parent.size() > hierarchy.mount_point.size() && make(hierarchy, parent))
                prepare_parent(hierarchy, parent);
        }
        made_.push_back(dir);
        return true;
    }

  private:
    /// With clone_children the kernel gives the cpusets below their cpus and mems: two reads less for each
    /// container.
    void prepare_parent(const CgroupHierarchy& hierarchy, const std::string& dir) {
        if (!cgroup_key_has(hierarchy.key, "cpuset")) return;
        fill_cpuset(dir, hierarchy.mount_point);
        write_kernel_file(dir + "/cgroup.clone_children", "1");
    }

    std::vector<std::string> made_;
};

/// A directory that was there before the container: only an idle one is taken.
void check_unused(const Cgroup& existing, std::string_view path) {
    if (size_t count = existing.processes().size())
        throw make_error(ErrorKind::conflict,
                         "{}: container's cgroup is not empty: {} process(es) found in {}", kField, count,
                         path);
    if (existing.frozen()) throw make_error(ErrorKind::conflict, "{}: the cgroup {} is frozen", kField, path);
}

}  // namespace

Cgroup Cgroup::create(const std::string& cgroups_path, const std::string& id, const CgroupLayout& layout) {
    const std::string path = container_path(cgroups_path, id);
    std::map<std::string, std::string> paths;
    std::map<std::string, std::string> existing;
    Maker maker;
    for (const CgroupHierarchy& hierarchy : layout.hierarchies()) {
        std::string dir = hierarchy.mount_point + path;
        bool made = maker.make(hierarchy, dir);
        if (!made) existing.emplace(hierarchy.key, dir);
        if (cgroup_key_has(hierarchy.key, "cpuset")) {
            // What clone_children filled in is complete; a directory of others may lack either.
            if (!made || trim(read_file(dir + "/cpuset.cpus")).empty())
                fill_cpuset(dir, hierarchy.mount_point);
        }
        if (layout.mode() == CgroupLayout::Mode::v2) {
            std::string available = read_file(hierarchy.mount_point + "/cgroup.controllers");
            enable_controllers(std::string(cgroup_parent(dir)), hierarchy.mount_point,
                               split_fields(available));
        }
        paths.emplace(hierarchy.key, std::move(dir));
    }
    if (!existing.empty()) check_unused(Cgroup(std::move(existing)), path);
    maker.commit();
    return Cgroup(std::move(paths));
}

Cgroup Cgroup::locate(const std::string& cgroups_path, const std::string& id, const CgroupLayout& layout) {
    const std::string path = container_path(cgroups_path, id);
    std::map<std::string, std::string> paths;
    for (const CgroupHierarchy& hierarchy : layout.hierarchies())
        paths.emplace(hierarchy.key, hierarchy.mount_point + path);
    return Cgroup(std::move(paths));
}

Cgroup Cgroup::open(std::map<std::string, std::string> paths) {
    return Cgroup(std::move(paths));
}

bool Cgroup::exists() const {
    return std::ranges::any_of(paths_, [](const auto& entry) { return sys::exists(entry.second); });
}

const std::string* Cgroup::unified_dir() const noexcept {
    auto found = paths_.find("");
    return found == paths_.end() ? nullptr : &found->second;
}

const std::string* Cgroup::v1_dir(std::string_view controller) const noexcept {
    for (const auto& [key, dir] : paths_)
        if (cgroup_key_has(key, controller)) return &dir;
    return nullptr;
}

std::vector<CgroupView> Cgroup::views(const CgroupLayout& layout) const {
    std::vector<CgroupView> result;
    for (const CgroupHierarchy& hierarchy : layout.hierarchies()) {
        auto found = paths_.find(hierarchy.key);
        if (found == paths_.end()) continue;
        CgroupView view;
        view.dir = found->second;
        view.name = hierarchy.mount_point.substr(hierarchy.mount_point.find_last_of('/') + 1);
        view.fs_type = hierarchy.unified() ? "cgroup2" : "cgroup";
        if (hierarchy.unified()) {
            if (layout.mode() == CgroupLayout::Mode::v2) view.name.clear();
        } else {
            view.options = hierarchy.controllers.empty() ? "none," + hierarchy.key : hierarchy.key;
            if (hierarchy.xattr) view.options += ",xattr";
            for (const std::string& controller : hierarchy.controllers)
                if (controller != view.name) view.aliases.push_back(controller);
        }
        result.push_back(std::move(view));
    }
    return result;
}

std::vector<UniqueFd> Cgroup::join_fds(bool with_unified) const {
    std::vector<UniqueFd> fds;
    fds.reserve(paths_.size());
    for (const auto& [key, dir] : paths_) {
        if (!key.empty())
            fds.push_back(open_file(dir + "/tasks", O_WRONLY));
        else if (with_unified)
            fds.push_back(open_file(dir + "/cgroup.procs", O_WRONLY));
    }
    return fds;
}

UniqueFd Cgroup::unified_fd() const {
    const std::string* dir = unified_dir();
    return dir ? open_file(*dir, O_PATH | O_DIRECTORY) : UniqueFd();
}

Cgroup Cgroup::for_exec(pid_t init) const {
    const std::string* dir = unified_dir();
    if (!dir) return *this;
    std::optional<std::string> enabled = try_read_file(*dir + "/cgroup.subtree_control");
    if (!enabled || trim(*enabled).empty()) return *this;
    const CgroupHierarchy* hierarchy = CgroupLayout::host().unified();
    std::optional<std::string> memberships = try_read_file(fmt::format("/proc/{}/cgroup", init));
    if (!memberships || !hierarchy) return *this;
    for (std::string_view line : split(*memberships, '\n')) {
        if (!line.starts_with("0::/")) continue;
        std::string found = hierarchy->mount_point + hierarchy->below_mount(line.substr(3));
        if (!found.starts_with(*dir + '/')) break;
        Cgroup result = *this;
        result.paths_[""] = std::move(found);
        return result;
    }
    return *this;
}

Cgroup Cgroup::below(const std::vector<std::string>& subpaths) const {
    Cgroup result = *this;
    for (const std::string& subpath : subpaths) {
        std::string_view name = subpath;
        std::vector<std::string_view> wanted;
        if (size_t colon = subpath.find(':'); colon != std::string::npos) {
            wanted = split(name.substr(0, colon), ',');
            name.remove_prefix(colon + 1);
        }
        while (name.starts_with('/')) name.remove_prefix(1);
        if (std::ranges::count(split(name, '/'), ".."))
            throw make_error(ErrorKind::invalid_argument, "{} is not below the container's cgroup",
                             quote(subpath));
        bool found = false;
        for (auto& [key, dir] : result.paths_) {
            if (!wanted.empty() &&
                std::ranges::none_of(wanted, [&](auto w) { return cgroup_key_has(key, w); }))
                continue;
            dir = clean_path(name, paths_.at(key));
            if (!sys::exists(dir))
                throw make_error(ErrorKind::invalid_argument, "{}: the container has no cgroup {}",
                                 quote(subpath), dir);
            found = true;
        }
        if (!found)
            throw make_error(ErrorKind::invalid_argument, "{}: no such cgroup controller", quote(subpath));
    }
    return result;
}

std::vector<pid_t> Cgroup::processes(bool all_below) const {
    std::vector<pid_t> pids;
    if (!paths_.empty()) read_cgroup_processes(processes_dir(), all_below, pids);
    return pids;
}

bool Cgroup::empty() const {
    if (const std::string* dir = unified_dir()) {
        std::optional<std::string> events = try_read_file(*dir + "/cgroup.events");
        return !events || events->find("populated 0") != std::string::npos;
    }
    return processes().empty();
}

const std::string& Cgroup::processes_dir() const {
    for (std::string_view key : {"", "freezer", "pids", "devices"}) {
        const std::string* dir = key.empty() ? unified_dir() : v1_dir(key);
        if (dir) return *dir;
    }
    return paths_.begin()->second;
}

void Cgroup::remove(std::chrono::milliseconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    for (const auto& [key, dir] : paths_) remove_cgroup_dir(dir, deadline);
}

bool Cgroup::enable_unified(std::string_view controller) const {
    const std::string* dir = unified_dir();
    const CgroupHierarchy* hierarchy = CgroupLayout::host().unified();
    if (!dir || !hierarchy || !dir->starts_with(hierarchy->mount_point + '/')) return false;
    enable_controllers(std::string(cgroup_parent(*dir)), hierarchy->mount_point, {controller});
    return lists_all(try_read_file(*dir + "/cgroup.controllers").value_or(""), {controller});
}

}  // namespace berth::sys
