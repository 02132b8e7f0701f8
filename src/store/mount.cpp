// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <exception>
#include <thread>

#include "base/log.h"
#include "base/strings.h"
#include "store/layer_names.h"
#include "store/mount_options.h"
#include "store/snapshots.h"
#include "sys/file.h"

namespace berth::store {

namespace {

/// fsconfig(2) takes strings below 256 bytes, mount(2) a page with its ending zero.
constexpr size_t kMaxValue = 255, kMaxData = 4095;
constexpr std::string_view kLower = "lowerdir=", kUpper = "upperdir=";

struct Option {
    std::string key;
    std::optional<std::string> value;
};

Option parse_option(const std::string& text) {
    size_t equals = text.find('=');
    if (equals == std::string::npos) return {.key = text, .value = {}};
    return {.key = text.substr(0, equals), .value = text.substr(equals + 1)};
}

/// False where the kernel finds the option invalid: it may not know it.
bool set_option(int fs, const MountPlan& plan, const char* key, const std::string* value) {
    int result = value != nullptr ? ::fsconfig(fs, FSCONFIG_SET_STRING, key, value->c_str(), 0)
                                  : ::fsconfig(fs, FSCONFIG_SET_FLAG, key, nullptr, 0);
    if (result == 0) return true;
    if (errno == EINVAL) return false;
    throw errno_error(errno, fmt::format("{} option {}", plan.type, key));
}

/// What the kernel says of a mount that failed (fsopen(2): messages are read from the context).
std::string kernel_message(int fs) {
    char text[512];
    ssize_t size = ::read(fs, text, sizeof text);
    if (size <= 0) return "";
    return fmt::format(" ({})", trim(std::string_view(text, static_cast<size_t>(size))));
}

std::string folder_of(std::string_view path) {
    return std::string(path.substr(0, path.rfind('/')));
}

/// The folder that all layers lie in, or nothing; and their names in it.
std::optional<std::string> shorten_lowers(std::string& lowers) {
    std::optional<std::string> folder;
    std::vector<std::string> names;
    for (std::string_view path : split(lowers, ':')) {
        if (!path.starts_with('/')) return std::nullopt;
        if (!folder) folder = folder_of(path);
        if (folder_of(path) != *folder) return std::nullopt;
        names.emplace_back(path.substr(path.rfind('/') + 1));
    }
    lowers = join(names, ":");
    return folder;
}

/// Runs `work` in a thread whose present folder is its own.
void in_folder(const std::string& folder, const std::function<void()>& work) {
    std::exception_ptr failure;
    std::thread thread([&] {
        try {
            sys::check(::unshare(CLONE_FS), "unshare(CLONE_FS)");
            sys::check(::chdir(folder.c_str()), "chdir " + folder);
            work();
        } catch (...) {
            failure = std::current_exception();
        }
    });
    thread.join();
    if (failure) std::rethrow_exception(failure);
}

/// As mountinfo writes a path that is an option's value (seq_show_option() in the kernel): blanks and
/// backslashes in octal, not the '#' that is in those of mount points.
std::string mountinfo_text(std::string_view path) {
    std::string result;
    for (char c : path) {
        if (c == ' ' || c == '\t' || c == '\n' || c == '\\')
            result += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
        else
            result += c;
    }
    return result;
}

bool kernel_has_option(const char* name) {
    std::string parameters = "/sys/module/overlay/parameters";
    return !sys::exists(parameters) || sys::exists(fmt::format("{}/{}", parameters, name));
}

}  // namespace

bool needs_user_xattrs() {
    std::string map = sys::read_file("/proc/self/uid_map");
    std::vector<std::string_view> fields = split_fields(map);
    return fields.size() != 3 || fields[0] != "0" || fields[1] != "0" || fields[2] != "4294967295";
}

bool is_in_a_mount(std::string_view mountinfo, std::string_view path) {
    std::string value = mountinfo_text(path);
    for (size_t at = mountinfo.find(value); at != std::string::npos; at = mountinfo.find(value, at + 1)) {
        size_t end = at + value.size();
        bool begins = at > 0 && (mountinfo[at - 1] == '=' || mountinfo[at - 1] == ':');
        bool ends =
            end == mountinfo.size() || std::string_view(",:\n ").find(mountinfo[end]) != std::string::npos;
        if (begins && ends) return true;
    }
    return false;
}

bool is_mountable_path(std::string_view path) {
    return path.find_first_of(",:\\\"\n") == std::string_view::npos;
}

MountPlan overlay_plan(const OverlayFolders& folders) {
    MountPlan plan{.type = "overlay", .source = "overlay", .options = {}};
    plan.options.push_back(std::string(kLower) + join(folders.lowers, ":"));
    if (!folders.upper.empty()) {
        plan.options.push_back(std::string(kUpper) + folders.upper);
        plan.options.push_back("workdir=" + folders.work);
    }
    // A distribution's kernel may have them on by default. Redirects and metadata-only copies in an upper
    // folder can't be written as a layer, and an index ties an upper folder to one set of lower ones. With
    // "off" redirects would still be followed, and "userxattr" be refused.
    for (const char* feature : {"index", "metacopy", "redirect_dir"})
        if (kernel_has_option(feature))
            plan.options.push_back(fmt::format(
                "{}={}", feature, std::string_view(feature) == "redirect_dir" ? "nofollow" : "off"));
    if (needs_user_xattrs()) plan.options.emplace_back("userxattr");
    if (folders.is_volatile && !folders.upper.empty()) plan.options.emplace_back("volatile");
    return plan;
}

std::vector<std::string> overlay_folders(const MountPlan& plan) {
    std::vector<std::string> folders;
    for (std::string_view key : {kUpper, kLower})
        for (std::string_view option : plan.options)
            if (option.starts_with(key))
                for (std::string_view path : split(option.substr(key.size()), ':'))
                    folders.emplace_back(path);
    return folders;
}

bool is_opaque_folder(int folder) {
    for (std::string_view prefix : {kOverlayXattrs, kUserOverlayXattrs})
        if (::fgetxattr(folder, fmt::format("{}opaque", prefix).c_str(), nullptr, 0) >= 0) return true;
    return false;
}

bool mount_by_parts(const MountPlan& plan, const std::string& target) {
    UniqueFd fs(::fsopen(plan.type.c_str(), FSOPEN_CLOEXEC));
    if (!fs) {
        if (errno == ENOSYS) return false;
        throw errno_error(errno, "fsopen " + plan.type);
    }
    (void)set_option(fs.get(), plan, "source", &plan.source);
    for (const std::string& text : plan.options) {
        Option option = parse_option(text);
        if (option.key == "lowerdir" && option.value) {
            for (std::string_view layer : split(*option.value, ':')) {
                std::string path(layer);
                if (path.size() > kMaxValue || !set_option(fs.get(), plan, "lowerdir+", &path)) return false;
            }
            continue;
        }
        if (option.value && option.value->size() > kMaxValue) return false;
        if (!set_option(fs.get(), plan, option.key.c_str(), option.value ? &*option.value : nullptr))
            return false;
    }
    if (::fsconfig(fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) < 0) {
        int code = errno;
        std::string message =
            fmt::format("creating the {} mount for {}{}", plan.type, target, kernel_message(fs.get()));
        if (code != EINVAL) throw errno_error(code, message);
        // Before 6.5 overlayfs has no context of its own: options that it does not know fail only here.
        log::debug("{}", message);
        return false;
    }
    UniqueFd mounted(sys::check(::fsmount(fs.get(), FSMOUNT_CLOEXEC, 0), "fsmount " + plan.type));
    sys::check(::move_mount(mounted.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH),
               [&] { return "mount on " + target; });
    return true;
}

void mount_at_once(const MountPlan& plan, const std::string& target) {
    std::vector<std::string> options = plan.options;
    std::optional<std::string> folder;
    std::string data = join(options, ",");
    // By their whole paths where there is room: they can be seen in mountinfo then.
    if (data.size() > kMaxData) {
        for (std::string& option : options) {
            if (!option.starts_with(kLower)) continue;
            std::string lowers = option.substr(kLower.size());
            folder = shorten_lowers(lowers);
            option = std::string(kLower) + lowers;
        }
        data = join(options, ",");
    }
    if (data.size() > kMaxData)
        throw make_error(
            ErrorKind::invalid_argument,
            "mount on {}: the options of {} layers take {} bytes, this kernel takes {} (Linux 6.8 has no "
            "such limit)",
            target, split(options.front(), ':').size(), data.size(), kMaxData);
    std::string path = sys::clean_path(target, target.starts_with('/') ? "/" : sys::current_dir());
    in_folder(folder.value_or("/"), [&] {
        sys::check(::mount(plan.source.c_str(), path.c_str(), plan.type.c_str(), 0, data.c_str()),
                   [&] { return fmt::format("mount {} on {}", plan.type, path); });
    });
}

void mount(const MountPlan& plan, const std::string& target) {
    if (!mount_by_parts(plan, target)) mount_at_once(plan, target);
}

void unmount(const std::string& target) {
    sys::check(::umount2(target.c_str(), UMOUNT_NOFOLLOW), [&] { return "unmount " + target; });
}

}  // namespace berth::store
