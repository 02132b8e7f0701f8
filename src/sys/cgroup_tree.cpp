// SPDX-License-Identifier: Apache-2.0
#include "sys/cgroup_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/strings.h"
#include "sys/file.h"

namespace berth::sys {

namespace {

/// Waits for `pause`, or less where the unified cgroup reports a change of its state.
void await_change(const std::string& dir, std::chrono::milliseconds pause) {
    UniqueFd events(::open((dir + "/cgroup.events").c_str(), O_RDONLY | O_CLOEXEC));
    pollfd entry{events.get(), POLLPRI, 0};
    bool told = events && read_all(events.get(), dir).find("populated 1") != std::string::npos;
    ::poll(&entry, told ? 1 : 0, static_cast<int>(pause.count()));
}

}  // namespace

std::string_view cgroup_parent(std::string_view path) {
    return path.substr(0, path.find_last_of('/'));
}

bool lists_all(std::string_view list, const std::vector<std::string_view>& names) {
    std::vector<std::string_view> present = split_fields(list);
    return std::ranges::all_of(names,
                               [&](auto name) { return std::ranges::find(present, name) != present.end(); });
}

std::vector<std::string> cgroup_children(const std::string& dir) {
    // A cgroup without children has two links, and reading a directory of cgroup files makes an inode of
    // each.
    struct stat info{};
    if (::stat(dir.c_str(), &info) < 0 || info.st_nlink == 2) return {};
    std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(dir.c_str()), ::closedir);
    std::vector<std::string> result;
    while (dirent* entry = stream ? ::readdir(stream.get()) : nullptr) {
        std::string_view name = entry->d_name;
        if (entry->d_type == DT_DIR && name != "." && name != "..")
            result.push_back(fmt::format("{}/{}", dir, name));
    }
    return result;
}

void read_cgroup_processes(const std::string& dir, bool all_below, std::vector<pid_t>& into) {
    // ENODEV: removed meanwhile. EOPNOTSUPP: a threaded cgroup, whose processes its domain lists.
    UniqueFd fd(::open((dir + "/cgroup.procs").c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) {
        if (errno == ENOENT || errno == ENODEV) return;
        throw errno_error(errno, fmt::format("open {}/cgroup.procs", dir));
    }
    std::string text;
    try {
        text = read_all(fd.get(), dir);
    } catch (const Error& error) {
        if (error.code() != ENODEV && error.code() != EOPNOTSUPP) throw;
    }
    for (std::string_view line : split(text, '\n'))
        if (std::optional<pid_t> pid = parse_number<pid_t>(line); pid && *pid > 0) into.push_back(*pid);
    if (!all_below) return;
    for (const std::string& child : cgroup_children(dir)) read_cgroup_processes(child, true, into);
}

void remove_cgroup_dir(const std::string& dir, std::chrono::steady_clock::time_point deadline) {
    std::chrono::milliseconds pause(1);
    while (::rmdir(dir.c_str()) < 0 && errno != ENOENT) {
        int code = errno;
        if (code != EBUSY) throw errno_error(code, "rmdir " + dir);
        std::vector<std::string> below = cgroup_children(dir);
        for (const std::string& child : below) remove_cgroup_dir(child, deadline);
        if (!below.empty()) continue;
        auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) {
            std::vector<pid_t> pids;
            read_cgroup_processes(dir, false, pids);
            throw make_error(ErrorKind::conflict, "cgroup {} can't be removed: {}", dir,
                             pids.empty() ? "it is busy" : fmt::format("{} process(es) in it", pids.size()));
        }
        await_change(dir, std::min(left, pause));
        pause = std::min(pause * 2, std::chrono::milliseconds(50));
    }
}

void fill_cpuset(const std::string& dir, const std::string& mount_point) {
    if (dir == mount_point) return;
    for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
        if (!trim(read_file(dir + file)).empty()) continue;
        std::string parent(cgroup_parent(dir));
        fill_cpuset(parent, mount_point);
        write_kernel_file(dir + file, trim(read_file(parent + file)));
    }
}

void enable_controllers(const std::string& dir, const std::string& mount_point,
                        const std::vector<std::string_view>& controllers) {
    const std::string file = dir + "/cgroup.subtree_control";
    if (lists_all(read_file(file), controllers)) return;
    if (dir != mount_point) enable_controllers(std::string(cgroup_parent(dir)), mount_point, controllers);
    UniqueFd fd(retry([&] { return ::open(file.c_str(), O_WRONLY | O_CLOEXEC); }));
    if (!fd) return;
    std::string all;
    for (std::string_view name : controllers) (all += '+') += fmt::format("{} ", name);
    if (::write(fd.get(), all.data(), all.size()) >= 0) return;
    for (std::string_view name : controllers) {
        std::string one = fmt::format("+{}", name);
        (void)!::write(fd.get(), one.data(), one.size());
    }
}

}  // namespace berth::sys
