// SPDX-License-Identifier: Apache-2.0
#include "sys/cgroup_layout.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <optional>

#include "base/strings.h"
#include "sys/file.h"

namespace berth::sys {

namespace {

/// mountinfo writes blanks, tabs, newlines and backslashes as three octal digits.
std::string unescape(std::string_view text) {
    std::string result;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size()) {
            if (std::optional<unsigned> code = parse_number<unsigned>(text.substr(i + 1, 3), 8)) {
                result += static_cast<char>(*code);
                i += 3;
                continue;
            }
        }
        result += text[i];
    }
    return result;
}

struct CgroupMount {
    bool unified = false;
    std::string_view device;
    std::string root;
    std::string point;
    std::vector<std::string_view> super_options;
};

/// "36 35 98:0 /root /point options [tags…] - type source super_options"; nothing for other file systems.
std::optional<CgroupMount> parse_mount(std::string_view line) {
    size_t dash = line.find(" - ");
    if (dash == std::string_view::npos || !line.substr(dash + 3).starts_with("cgroup")) return std::nullopt;
    std::vector<std::string_view> before = split(line.substr(0, dash), ' ');
    std::vector<std::string_view> after = split(line.substr(dash + 3), ' ');
    if (before.size() < 6 || after.size() < 3 || (after[0] != "cgroup" && after[0] != "cgroup2"))
        return std::nullopt;
    return CgroupMount{after[0] == "cgroup2", before[2], unescape(before[3]), unescape(before[4]),
                       split(after[2], ',')};
}

bool has_option(const CgroupMount& mount, std::string_view option) {
    return std::find(mount.super_options.begin(), mount.super_options.end(), option) !=
           mount.super_options.end();
}

/// Whether the mount shows the hierarchy that /proc/PID/cgroup lists as `key`: for v1 the super block's
/// options name the controllers, or the hierarchy.
bool shows(const CgroupMount& mount, std::string_view key) {
    if (mount.unified || key.empty()) return mount.unified && key.empty();
    return has_option(mount, key.substr(0, key.find(',')));
}

bool is_on_top(const std::string& point, std::string_view device) {
    struct stat info{};
    if (::stat(point.c_str(), &info) < 0) return false;
    return fmt::format("{}:{}", major(info.st_dev), minor(info.st_dev)) == device;
}

}  // namespace

std::string CgroupHierarchy::below_mount(std::string_view path) const {
    if (root == "/") return std::string(path);
    if (path.starts_with(root) && path.size() > root.size() && path[root.size()] == '/')
        return std::string(path.substr(root.size()));
    return "/";
}

bool cgroup_key_has(std::string_view key, std::string_view controller) noexcept {
    while (!key.empty()) {
        size_t comma = key.find(',');
        if (key.substr(0, comma) == controller) return true;
        if (comma == std::string_view::npos) break;
        key.remove_prefix(comma + 1);
    }
    return false;
}

CgroupLayout CgroupLayout::parse(std::string_view mountinfo, std::string_view proc_cgroup,
                                 const std::function<bool(const std::string&, std::string_view)>& visible) {
    std::vector<CgroupMount> mounts;
    for (std::string_view line : split(mountinfo, '\n')) {
        std::optional<CgroupMount> mount = parse_mount(line);
        if (mount && visible(mount->point, mount->device)) mounts.push_back(std::move(*mount));
    }
    CgroupLayout layout;
    bool has_v1 = false;
    for (std::string_view line : split(proc_cgroup, '\n')) {
        size_t first = line.find(':');
        size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
        if (second == std::string_view::npos) continue;
        std::string_view key = line.substr(first + 1, second - first - 1);
        auto mount =
            std::find_if(mounts.begin(), mounts.end(), [&](const CgroupMount& m) { return shows(m, key); });
        if (mount == mounts.end()) continue;
        CgroupHierarchy hierarchy;
        hierarchy.key = key;
        for (std::string_view name : split(key, ','))
            if (!name.starts_with("name=")) hierarchy.controllers.emplace_back(name);
        hierarchy.mount_point = mount->point;
        hierarchy.root = mount->root;
        hierarchy.own_path = hierarchy.below_mount(line.substr(second + 1));
        hierarchy.xattr = !mount->unified && has_option(*mount, "xattr");
        has_v1 |= !hierarchy.unified();
        auto place = hierarchy.unified() ? layout.hierarchies_.begin() : layout.hierarchies_.end();
        layout.hierarchies_.insert(place, std::move(hierarchy));
    }
    bool has_v2 = layout.unified() != nullptr;
    layout.mode_ = has_v1 && has_v2 ? Mode::hybrid : has_v1 ? Mode::v1 : has_v2 ? Mode::v2 : Mode::none;
    return layout;
}

const CgroupLayout& CgroupLayout::host() {
    static const CgroupLayout layout =
        parse(read_file("/proc/self/mountinfo"), read_file("/proc/self/cgroup"), is_on_top);
    return layout;
}

const CgroupHierarchy* CgroupLayout::v1(std::string_view controller) const noexcept {
    for (const CgroupHierarchy& hierarchy : hierarchies_)
        if (!hierarchy.unified() && cgroup_key_has(hierarchy.key, controller)) return &hierarchy;
    return nullptr;
}

const CgroupHierarchy* CgroupLayout::unified() const noexcept {
    return !hierarchies_.empty() && hierarchies_.front().unified() ? &hierarchies_.front() : nullptr;
}

}  // namespace berth::sys
