// SPDX-License-Identifier: Apache-2.0
// The mount of a root file system that only the container will see.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/strings.h"
#include "launch/syscalls.h"
#include "runtime/rootfs_plan.h"
#include "sys/file.h"

namespace berth::runtime {

namespace {

/// fsconfig(2) takes strings below 256 bytes, mount(2) a page with its ending zero.
constexpr size_t kMaxValue = 255, kMaxData = 4095;
constexpr std::string_view kLower = "lowerdir=";

/// Nothing where this kernel can't take the options one by one: before 6.8 all lower folders are one value,
/// and before 6.5 overlayfs tells only at the end.
std::optional<UniqueFd> mount_by_parts(const RootfsMount& mount) {
    bool is_long = false;
    int fs = launch::fs_open(mount.type.c_str());
    if (fs < 0) throw errno_error(-fs, "fsopen " + mount.type);
    UniqueFd holder(fs);
    auto set = [&](const std::string& key, const std::string* value) {
        int result = value != nullptr ? launch::fs_set_string(fs, key.c_str(), value->c_str())
                                      : launch::fs_set_flag(fs, key.c_str());
        if (result == -EINVAL && is_long) return false;
        if (result < 0) throw errno_error(-result, fmt::format("{} option {}", mount.type, key));
        return true;
    };
    if (!mount.source.empty()) (void)set("source", &mount.source);
    for (const std::string& option : mount.options) {
        size_t equals = option.find('=');
        std::string key = option.substr(0, equals);
        if (equals == std::string::npos) {
            if (!set(key, nullptr)) return std::nullopt;
            continue;
        }
        std::string value = option.substr(equals + 1);
        if (value.size() > kMaxValue) is_long = true;
        if (key == "lowerdir" && is_long) {
            for (std::string_view layer : split(value, ':')) {
                std::string text(layer);
                if (!set("lowerdir+", &text)) return std::nullopt;
            }
        } else if (!set(key, &value)) {
            return std::nullopt;
        }
    }
    if (int result = launch::fs_create(fs); result < 0) {
        if (result == -EINVAL && is_long) return std::nullopt;
        throw errno_error(-result, "creating the " + mount.type + " mount");
    }
    int fd = launch::fs_mount(fs, 0);
    if (fd < 0) throw errno_error(-fd, "fsmount " + mount.type);
    return UniqueFd(fd);
}

/// The options as mount(2) takes them. Where they are too long, lower folders that lie in one are named from
/// it: `folder`.
std::string mount_data(const RootfsMount& mount, std::string& folder) {
    std::string data = join(mount.options, ",");
    if (data.size() <= kMaxData) return data;
    std::vector<std::string> options = mount.options;
    for (std::string& option : options) {
        if (!option.starts_with(kLower)) continue;
        std::vector<std::string> names;
        for (std::string_view path : split(std::string_view(option).substr(kLower.size()), ':')) {
            size_t slash = path.rfind('/');
            if (slash == std::string_view::npos) continue;
            if (names.empty()) folder = path.substr(0, slash);
            if (path.substr(0, slash) == folder) path.remove_prefix(slash + 1);
            names.emplace_back(path);
        }
        option = std::string(kLower) + join(names, ":");
    }
    data = join(options, ",");
    if (data.size() > kMaxData)
        throw make_error(
            ErrorKind::invalid_argument,
            "the options of the {} mount take {} bytes, this kernel takes {} (Linux 6.8 has no such "
            "limit)",
            mount.type, data.size(), kMaxData);
    return data;
}

/// This process is in a mount namespace of its own while it lives.
class OwnMountNamespace {
  public:
    OwnMountNamespace()
        : namespace_(sys::open_file("/proc/self/ns/mnt", O_RDONLY)),
          root_(sys::open_file("/", O_PATH | O_DIRECTORY)),
          folder_(sys::open_file(".", O_PATH | O_DIRECTORY)) {
        sys::check(::unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)");
        left_ = true;
        sys::check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "making / private");
    }
    OwnMountNamespace(const OwnMountNamespace&) = delete;
    OwnMountNamespace& operator=(const OwnMountNamespace&) = delete;
    ~OwnMountNamespace() {
        if (left_) (void)back();
    }
    void leave() {
        left_ = false;
        sys::check(back(), "going back to the mount namespace");
    }

  private:
    int back() const {
        if (::setns(namespace_.get(), CLONE_NEWNS) < 0) return -1;
        if (::fchdir(root_.get()) < 0 || ::chroot(".") < 0) return -1;
        return ::fchdir(folder_.get());
    }
    UniqueFd namespace_, root_, folder_;
    bool left_ = false;
};

/// With mount(2), which needs a place: one in a namespace that nobody else sees. The clone of the mount is
/// nobody's place.
UniqueFd mount_at_once(const RootfsMount& mount) {
    constexpr const char* kPlace = "/proc";
    std::string folder = "/", data = mount_data(mount, folder);
    OwnMountNamespace own;
    sys::check(::chdir(folder.c_str()), [&] { return "chdir " + folder; });
    sys::check(::mount(mount.source.c_str(), kPlace, mount.type.c_str(), 0, data.c_str()),
               [&] { return "mounting " + mount.type; });
    int tree = launch::open_tree_fd(AT_FDCWD, kPlace, OPEN_TREE_CLONE);
    if (tree < 0) throw errno_error(-tree, "open_tree");
    UniqueFd result(tree);
    own.leave();
    return result;
}

}  // namespace

UniqueFd make_rootfs_mount(const RootfsMount& mount) {
    if (std::optional<UniqueFd> made = mount_by_parts(mount)) return std::move(*made);
    return mount_at_once(mount);
}

}  // namespace berth::runtime
