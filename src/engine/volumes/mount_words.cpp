// SPDX-License-Identifier: Apache-2.0
#include "engine/volumes/mount_words.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/strings.h"
#include "engine/volumes/mounts.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

using spec::api::Mount;

template <size_t count>
bool is_one(const std::array<std::string_view, count>& words, std::string_view word) {
    return std::ranges::find(words, word) != words.end();
}

constexpr std::array<std::string_view, 5> kAccess = {"rw", "ro", "ro-non-recursive", "ro-force-recursive",
                                                     "rro"};
constexpr std::array<std::string_view, 2> kLabels = {"z", "Z"};
constexpr std::array<std::string_view, 6> kPropagation = {"private", "rprivate", "shared",
                                                          "rshared", "slave",    "rslave"};
constexpr std::array<std::string_view, 3> kConsistency = {"consistent", "cached", "delegated"};

[[noreturn]] void refuse(const Mount& mount, std::string_view problem) {
    throw make_error(ErrorKind::invalid_argument, "invalid mount config for type {}: {}", quote(mount.Type),
                     problem);
}

[[noreturn]] void refuse_field(const Mount& mount, std::string_view field, bool is_missing) {
    refuse(mount, fmt::format("field {} must not be {}", field, is_missing ? "empty" : "specified"));
}

std::optional<std::string> destination_problem(std::string_view path) {
    std::string unix_path(path);
    std::ranges::replace(unix_path, '\\', '/');
    if (!unix_path.empty() && sys::clean_path(unix_path, "/x") == "/")
        return "invalid specification: destination can't be '/'";
    if (!unix_path.starts_with('/'))
        return fmt::format("invalid mount path: '{}' mount path must be absolute", path);
    return std::nullopt;
}

/// Go's filepath.IsLocal: not empty, relative, and ".." stays below.
bool is_local(std::string_view path) {
    if (path.empty() || path.starts_with('/')) return false;
    int depth = 0;
    for (std::string_view name : split(path, '/')) {
        if (name.empty() || name == ".") continue;
        depth += name == ".." ? -1 : 1;
        if (depth < 0) return false;
    }
    return true;
}

void check_bind(const Mount& mount, bool source_must_exist) {
    if (mount.Source.empty()) refuse_field(mount, "Source", true);
    const auto& options = mount.BindOptions_;
    if (options && !options->Propagation.empty() && !is_propagation(options->Propagation))
        refuse(mount, "invalid propagation mode: " + options->Propagation);
    if (mount.VolumeOptions_) refuse_field(mount, "VolumeOptions", false);
    if (!mount.Source.starts_with('/'))
        refuse(mount, fmt::format("invalid mount path: '{}' mount path must be absolute", mount.Source));
    if (!source_must_exist || (options && options->CreateMountpoint)) return;
    struct stat status{};
    if (::stat(mount.Source.c_str(), &status) == 0) return;
    if (errno != ENOENT) refuse(mount, fmt::format("stat {}: {}", mount.Source, errno_text(errno)));
    refuse(mount, "bind source path does not exist: " + mount.Source);
}

void check_volume(const Mount& mount) {
    if (mount.BindOptions_) refuse_field(mount, "BindOptions", false);
    bool is_anonymous = mount.Source.empty();
    if (mount.VolumeOptions_ && !mount.VolumeOptions_->Subpath.empty()) {
        if (is_anonymous) refuse(mount, "must not set Subpath when using anonymous volumes");
        if (!is_local(mount.VolumeOptions_->Subpath))
            refuse(mount, "subpath must be a relative path within the volume");
    }
    if (mount.ReadOnly && is_anonymous)
        refuse(mount, "must not set ReadOnly mode when using anonymous volumes");
}

void check_tmpfs_mount(const Mount& mount) {
    if (mount.BindOptions_) refuse_field(mount, "BindOptions", false);
    if (!mount.Source.empty()) refuse_field(mount, "Source", false);
    if (!mount.TmpfsOptions_) return;
    for (const spec::api::Strings& option : mount.TmpfsOptions_->Options) {
        if (option.empty() || option.size() > 2) refuse(mount, "invalid option array length");
        if (option[0] != "exec" && option[0] != "noexec") refuse(mount, "invalid option: " + option[0]);
    }
}

void check_image(const Mount& mount) {
    if (mount.BindOptions_) refuse_field(mount, "BindOptions", false);
    if (mount.Source.empty()) refuse_field(mount, "Source", true);
    if (mount.ImageOptions && !mount.ImageOptions->Subpath.empty() && !is_local(mount.ImageOptions->Subpath))
        refuse(mount, "subpath must be a relative path within the image");
}

}  // namespace

std::optional<MountMode> parse_mode(std::string_view mode) {
    MountMode result;
    if (mode.empty()) return result;
    int access = 0, labels = 0, propagation = 0, copy = 0, consistency = 0;
    for (std::string_view word : split(mode, ',')) {
        if (is_one(kAccess, word)) {
            ++access;
            result.rw = word == "rw";
            if (word != "rw" && word != "ro") result.read_only = word;
        } else if (is_one(kLabels, word)) {
            ++labels;
        } else if (is_propagation(word)) {
            ++propagation;
            result.propagation = word;
        } else if (word == "nocopy") {
            ++copy;
            result.no_copy = true;
        } else if (is_one(kConsistency, word)) {
            ++consistency;
        } else {
            return std::nullopt;
        }
    }
    if (std::max({access, labels, propagation, copy, consistency}) > 1) return std::nullopt;
    return result;
}

bool is_propagation(std::string_view word) {
    return is_one(kPropagation, word);
}

void check_destination(std::string_view destination) {
    if (std::optional<std::string> problem = destination_problem(destination))
        throw Error(ErrorKind::invalid_argument, *problem);
}

void check_mount(const Mount& mount, bool source_must_exist) {
    if (mount.Target.empty()) refuse_field(mount, "Target", true);
    if (std::optional<std::string> problem = destination_problem(mount.Target)) refuse(mount, *problem);
    if (mount.Type == "bind") return check_bind(mount, source_must_exist);
    if (mount.Type == "volume") return check_volume(mount);
    if (mount.Type == "tmpfs") return check_tmpfs_mount(mount);
    if (mount.Type == "image") return check_image(mount);
    refuse(mount, "mount type unknown");
}

}  // namespace berth::engine
