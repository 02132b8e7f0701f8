// SPDX-License-Identifier: Apache-2.0
#include "engine/volumes/local_driver.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/byte_size.h"
#include "base/log.h"
#include "base/strings.h"
#include "engine/files/detached_mount.h"
#include "engine/volumes/copy_up.h"
#include "store/quota.h"
#include "store/tree.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

constexpr std::string_view kRemoved = ".removed-";
constexpr mode_t kVolumeMode = 0701, kDataMode = 0755;

template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) {
    throw Error(ErrorKind::invalid_argument, fmt::format(format, std::forward<Args>(args)...));
}

std::string option(const Volume& volume, const std::string& key) {
    auto found = volume.options.find(key);
    return found == volume.options.end() ? "" : found->second;
}

bool is_ip(const std::string& text) {
    std::array<char, 16> address;
    return ::inet_pton(AF_INET, text.c_str(), address.data()) == 1 ||
           ::inet_pton(AF_INET6, text.c_str(), address.data()) == 1;
}

/// The kernel's network file systems take addresses only.
std::string resolve(const std::string& host) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    int result = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
    std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, ::freeaddrinfo);
    std::array<char, NI_MAXHOST> text;
    if (result == 0)
        result = ::getnameinfo(list->ai_addr, list->ai_addrlen, text.data(), text.size(), nullptr, 0,
                               NI_NUMERICHOST);
    if (result != 0)
        throw make_error(ErrorKind::unavailable,
                         "error resolving passed in network volume address: lookup {}: {}", host,
                         ::gai_strerror(result));
    return text.data();
}

/// "//host/share" of cifs.
std::string resolve_device(const std::string& device) {
    if (!device.starts_with("//")) return device;
    size_t end = std::min(device.find('/', 2), device.size());
    std::string host = device.substr(2, end - 2);
    if (host.empty() || is_ip(host)) return device;
    return "//" + resolve(host) + device.substr(end);
}

std::string without_password(std::string text, std::string_view options) {
    for (std::string_view part : split(options, ',')) {
        if (!part.starts_with("password=")) continue;
        for (size_t at = 0; (at = text.find(part, at)) != std::string::npos;)
            text.replace(at, part.size(), "password=********");
    }
    return text;
}

bool is_name_char(char c, bool is_first) {
    bool is_alphanumeric = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return is_alphanumeric || (!is_first && (c == '_' || c == '.' || c == '-'));
}

}  // namespace

void check_volume_name(std::string_view name) {
    if (name.size() == 1)
        refuse("volume name is too short, names should be at least two alphanumeric characters");
    bool is_valid = !name.empty() && is_name_char(name[0], true) &&
                    std::ranges::all_of(name, [](char c) { return is_name_char(c, false); });
    if (!is_valid)
        refuse(
            "{} includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are "
            "allowed. If you intended to pass a host directory, use absolute path",
            quote(name));
    if (name.size() > NAME_MAX) refuse("{}: the volume's name is longer than {} bytes", name, NAME_MAX);
}

void check_volume_options(const std::map<std::string, std::string>& options) {
    static constexpr std::array<std::string_view, 4> kKnown = {"device", "o", "size", "type"};
    for (const auto& [key, value] : options)
        if (std::ranges::find(kKnown, key) == kKnown.end()) refuse("invalid option: {}", quote(key));
    auto require = [&](const char* key, const char* needed) {
        if (options.contains(key) && !options.contains(needed))
            refuse("missing required option: {}", quote(needed));
    };
    if (auto type = options.find("type"); type != options.end() && type->second == "cifs")
        if (auto device = options.find("device"); device != options.end()) {
            std::string_view host = device->second;
            host.remove_prefix(std::min<size_t>(host.starts_with("//") ? 2 : 0, host.size()));
            host = host.substr(0, host.find('/'));
            if (size_t colon = host.rfind(':'); colon != std::string_view::npos && !host.ends_with(']'))
                refuse("port not allowed in CIFS device URL, include 'port' in 'o='");
        }
    if (auto size = options.find("size"); size != options.end() && !parse_byte_size(size->second))
        refuse("invalid size: '{}'", size->second);
    require("device", "type");
    require("o", "device");
    require("o", "type");
    require("type", "device");
}

bool is_mounted_on_host(const Volume& volume) {
    return option(volume, "type") == "tmpfs";
}

spec::Mount option_mount(const Volume& volume, const std::string& destination) {
    spec::Mount mount;
    mount.destination = destination;
    mount.type = option(volume, "type");
    mount.source = option(volume, "device");
    if (mount.source.empty()) throw Error(ErrorKind::invalid_argument, "missing device in volume options");
    bool has_address = false, is_bind = mount.type == "bind";
    std::string words = option(volume, "o");
    for (std::string_view word : split(words, ',')) {
        if (word.empty()) continue;
        std::string text(word);
        bool is_network = mount.type.starts_with("nfs") || mount.type == "cifs";
        if (is_network && word.starts_with("addr=")) {
            has_address = true;
            std::string host = text.substr(5);
            if (!is_ip(host)) text = "addr=" + resolve(host);
        }
        is_bind = is_bind || word == "bind" || word == "rbind";
        mount.options.push_back(std::move(text));
    }
    if (mount.type == "cifs" && !has_address) mount.source = resolve_device(mount.source);
    if (is_bind) mount.type = "bind";
    return mount;
}

void mount_on_host(const Volume& volume) {
    std::string options = option(volume, "o");
    try {
        UniqueFd mount = make_detached_mount(option_mount(volume, volume.mountpoint));
        sys::check(
            ::move_mount(mount.get(), "", AT_FDCWD, volume.mountpoint.c_str(), MOVE_MOUNT_F_EMPTY_PATH),
            "mount");
    } catch (const Error& error) {
        throw Error(
            error.kind(),
            without_password(
                fmt::format("error while mounting volume '{}': failed to mount local volume: mount {}:{}, "
                            "data: {}: {}",
                            volume.mountpoint, option(volume, "device"), volume.mountpoint, options,
                            error.what()),
                options),
            error.code());
    }
}

void unmount_on_host(const Volume& volume) {
    if (::umount2(volume.mountpoint.c_str(), UMOUNT_NOFOLLOW) == 0 || errno == EINVAL || errno == ENOENT)
        return;
    if (errno == EBUSY && ::umount2(volume.mountpoint.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH) == 0) return;
    throw errno_error(errno, "unmount " + volume.mountpoint);
}

void make_volume_folder(const std::string& folder, const std::string& name, uint32_t project,
                        uint64_t quota_bytes) {
    std::string path = folder + "/" + name;
    if (::mkdir(path.c_str(), kVolumeMode) < 0 && errno != EEXIST)
        throw errno_error(errno, fmt::format("error while creating volume root path '{}': mkdir", path));
    UniqueFd volume = sys::open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    sys::check(::fchmod(volume.get(), kVolumeMode), [&] { return "chmod " + path; });
    if (quota_bytes > 0) {
        try {
            store::set_project_quota(volume.get(), path, project, quota_bytes);
        } catch (const Error& error) {
            (void)::rmdir(path.c_str());
            if (error.kind() != ErrorKind::not_implemented) throw;
            refuse("quota size requested but no quota support");
        }
    }
    if (::mkdirat(volume.get(), "_data", kDataMode) < 0 && errno != EEXIST)
        throw errno_error(errno,
                          fmt::format("error while creating volume data path '{}/_data': mkdir", path));
    UniqueFd data = sys::open_at(volume.get(), "_data", O_RDONLY | O_DIRECTORY);
    sys::check(::fchmod(data.get(), kDataMode), [&] { return "chmod " + path + "/_data"; });
}

std::string set_aside(const std::string& folder, const std::string& name) {
    std::string aside = fmt::format("{}{}", kRemoved, random_hex(8));
    if (::rename((folder + "/" + name).c_str(), (folder + "/" + aside).c_str()) == 0) return aside;
    if (errno == ENOENT) return "";
    throw errno_error(errno, fmt::format("error removing volume path '{}/{}'", folder, name));
}

uint64_t volume_size(const std::string& folder, const std::string& name) {
    UniqueFd volume = sys::open_file(folder + "/" + name, O_RDONLY | O_DIRECTORY);
    return store::disk_usage(volume.get(), "_data");
}

std::vector<Volume> recover_folders(const std::string& folder, const std::map<std::string, Volume>& known) {
    std::vector<Volume> found;
    UniqueFd root = store::make_folder(folder);
    // Whoever runs in a container with another user id passes through, and can't list names.
    sys::check(::fchmod(root.get(), kVolumeMode), [&] { return "chmod " + folder; });
    for (const std::string& name : sys::list_dir(root.get())) {
        try {
            if (name.starts_with(kRemoved)) {
                store::remove_tree(root.get(), name);
                continue;
            }
            std::string path = folder + "/" + name;
            std::optional<UniqueFd> data =
                sys::try_open_at(root.get(), name + "/_data", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
            if (data) finish_copy_up(path);
            if (known.contains(name)) continue;
            if (!data || sys::list_dir(data->get()).empty()) {
                store::remove_tree(root.get(), name);
                continue;
            }
            struct stat status{};
            sys::check(::fstat(data->get(), &status), [&] { return "stat " + path; });
            log::warning("volume {} is on disk but was not known: it is taken over without labels", name);
            found.push_back({.name = name,
                             .driver = "local",
                             .mountpoint = path + "/_data",
                             .created_ns = status.st_ctim.tv_sec * 1'000'000'000 + status.st_ctim.tv_nsec});
        } catch (const Error& error) {
            log::error("volume {}: {}", name, error.what());
        }
    }
    return found;
}

}  // namespace berth::engine
