// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/device_rules.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

spec::Device describe(const struct stat& info, std::string path) {
    spec::Device device;
    device.type = S_ISBLK(info.st_mode) ? "b" : S_ISCHR(info.st_mode) ? "c" : "p";
    device.path = std::move(path);
    if (!S_ISFIFO(info.st_mode)) {
        device.major = static_cast<int64_t>(major(info.st_rdev));
        device.minor = static_cast<int64_t>(minor(info.st_rdev));
    }
    device.fileMode = static_cast<uint32_t>(info.st_mode & 07777);
    device.uid = info.st_uid;
    device.gid = info.st_gid;
    return device;
}

bool is_device(const struct stat& info) {
    return S_ISBLK(info.st_mode) || S_ISCHR(info.st_mode);
}

/// Folders of /dev that a container has of its own, or that belong to other container managers.
bool is_own_folder(std::string_view name) {
    static constexpr std::array<std::string_view, 7> kNames = {"pts",  "shm",         "fd",   "mqueue",
                                                               ".lxc", ".lxd-mounts", ".udev"};
    return std::ranges::find(kNames, name) != kNames.end();
}

/// All devices below `folder`, as `shown` + their path in it. Links are not followed; what vanishes meanwhile
/// is skipped. Folders deeper than 16 levels, which no /dev has, are left out.
void collect_devices(int dir, const std::string& shown, bool host_dev, std::vector<spec::Device>& into,
                     int depth = 0) {
    std::vector<std::string> names = sys::list_dir(dir);
    std::ranges::sort(names);
    for (const std::string& name : names) {
        struct stat info{};
        if (fstatat(dir, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
        std::string path = shown + "/" + name;
        if (S_ISDIR(info.st_mode)) {
            if (depth >= 16 || (host_dev && is_own_folder(name))) continue;
            if (auto below = sys::try_open_at(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
                collect_devices(below->get(), path, host_dev, into, depth + 1);
        } else if (is_device(info) && !(host_dev && name == "console")) {
            into.push_back(describe(info, std::move(path)));
        }
    }
}

spec::DeviceRule rule_for(const spec::Device& device, const std::string& access) {
    return {true, device.type, device.major, device.minor, access};
}

[[noreturn]] void fail_device(const std::string& path, std::string_view why) {
    throw make_error(ErrorKind::invalid_argument,
                     "error gathering device information while adding custom device {}: {}", quote(path),
                     why);
}

std::vector<spec::Device> mapped_devices(const spec::api::DeviceMapping& mapping) {
    const std::string& path = mapping.PathOnHost;
    std::string shown = mapping.PathInContainer.empty() ? path : mapping.PathInContainer;
    while (shown.size() > 1 && shown.ends_with('/')) shown.pop_back();
    struct stat info{};
    if (stat(path.c_str(), &info) != 0) fail_device(path, errno_text(errno));
    if (is_device(info) || S_ISFIFO(info.st_mode)) return {describe(info, shown)};

    std::vector<spec::Device> devices;
    if (S_ISDIR(info.st_mode)) {
        UniqueFd dir = sys::open_file(path, O_RDONLY | O_DIRECTORY);
        collect_devices(dir.get(), shown, false, devices);
    }
    if (devices.empty()) fail_device(path, "not a device node");
    return devices;
}

std::vector<spec::DeviceRule> docker_default_rules() {
    auto character = [](bool allow, int64_t major, int64_t minor) {
        return spec::DeviceRule{allow, "c", major, minor, "rwm"};
    };
    return {
        {false, "", std::nullopt, std::nullopt, "rwm"},
        character(true, 1, 5),     // zero
        character(true, 1, 3),     // null
        character(true, 1, 9),     // urandom
        character(true, 1, 8),     // random
        character(true, 5, 0),     // tty
        character(true, 5, 1),     // console
        character(false, 10, 229)  // fuse
    };
}

DeviceSet privileged_devices(const spec::api::HostConfig& host_config) {
    DeviceSet result;
    UniqueFd dev = sys::open_file("/dev", O_RDONLY | O_DIRECTORY);
    collect_devices(dev.get(), "/dev", true, result.nodes);
    for (const auto& mapping : spec::api::items(host_config.Devices)) {
        // It is there already.
        if (mapping.PathInContainer.empty() || mapping.PathInContainer == mapping.PathOnHost) continue;
        for (spec::Device& device : mapped_devices(mapping)) result.nodes.push_back(std::move(device));
    }
    result.rules = {{true, "", std::nullopt, std::nullopt, "rwm"}};
    return result;
}

/// A number, or nothing for "*".
std::optional<int64_t> parse_device_number(std::string_view text, int64_t limit, std::string_view which,
                                           const std::string& rule) {
    if (text == "*") return std::nullopt;
    auto number = parse_number<int64_t>(text);
    if (!number || *number < 0 || *number > limit)
        throw make_error(ErrorKind::invalid_argument, "invalid {} value in device cgroup rule format: '{}'",
                         which, rule);
    return number;
}

bool is_number_or_star(std::string_view text) {
    return text == "*" || (!text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos);
}

}  // namespace

spec::DeviceRule parse_device_cgroup_rule(const std::string& text) {
    auto fail = [&] {
        throw make_error(ErrorKind::invalid_argument, "invalid device cgroup rule format: '{}'", text);
    };
    if (text == "a") return {true, "a", std::nullopt, std::nullopt, "rwm"};
    auto words = split(text, ' ');
    if (words.size() != 3) fail();
    auto numbers = split(words[1], ':');
    std::string_view type = words[0], access = words[2];
    bool valid = (type == "a" || type == "b" || type == "c") && numbers.size() == 2 &&
                 is_number_or_star(numbers[0]) && is_number_or_star(numbers[1]) && !access.empty() &&
                 access.size() <= 3 && access.find_first_not_of("rwm") == std::string_view::npos;
    if (!valid) fail();
    if (type == "a" && (words[1] != "*:*" || access.size() != 3))
        throw make_error(ErrorKind::invalid_argument,
                         "although this cgroup rule is technically correct, because 'a' maps to 'a *:* rwm' "
                         "regardless of what comes next, this format is partially ineffective: '{}'",
                         text);
    return {true, std::string(type), parse_device_number(numbers[0], 0xfff, "major", text),
            parse_device_number(numbers[1], 0xfffff, "minor", text), std::string(access)};
}

DeviceSet container_devices(const spec::api::HostConfig& host_config) {
    if (host_config.Privileged) return privileged_devices(host_config);
    DeviceSet result;
    result.rules = docker_default_rules();
    for (const auto& mapping : spec::api::items(host_config.Devices)) {
        std::string access = mapping.CgroupPermissions.empty() ? "rwm" : mapping.CgroupPermissions;
        for (spec::Device& device : mapped_devices(mapping)) {
            if (device.type != "p") result.rules.push_back(rule_for(device, access));
            result.nodes.push_back(std::move(device));
        }
    }
    for (const std::string& rule : spec::api::items(host_config.DeviceCgroupRules))
        result.rules.push_back(parse_device_cgroup_rule(rule));
    return result;
}

void check_device_requests(const spec::api::HostConfig& host_config) {
    for (const auto& request : spec::api::items(host_config.DeviceRequests)) {
        // As Go prints a list of lists.
        std::vector<std::string> sets;
        for (const auto& capabilities : spec::api::items(request.Capabilities))
            sets.push_back("[" + join(capabilities, " ") + "]");
        throw make_error(ErrorKind::invalid_argument,
                         "could not select device driver {} with capabilities: [{}]", quote(request.Driver),
                         join(sets, " "));
    }
}

}  // namespace berth::engine
