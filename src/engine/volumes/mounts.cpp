// SPDX-License-Identifier: Apache-2.0
#include "engine/volumes/mounts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "engine/volumes/mount_words.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

using spec::api::Mount;

constexpr std::string_view kDefaultPropagation = "rprivate";
constexpr std::string_view kDefaultDriver = "local";

template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) {
    throw Error(ErrorKind::invalid_argument, fmt::format(format, std::forward<Args>(args)...));
}

/// `mount` was checked.
MountPoint make_point(const Mount& mount) {
    MountPoint point;
    point.type = mount.Type;
    point.destination = sys::clean_path(mount.Target);
    point.rw = !mount.ReadOnly;
    point.spec = mount;
    if (mount.Type == "bind") {
        point.source = sys::clean_path(mount.Source);
        point.propagation = mount.BindOptions_ && !mount.BindOptions_->Propagation.empty()
                                ? mount.BindOptions_->Propagation
                                : std::string(kDefaultPropagation);
        point.make_source = mount.BindOptions_ && mount.BindOptions_->CreateMountpoint;
    } else if (mount.Type == "volume") {
        point.name = mount.Source;
        const auto& options = mount.VolumeOptions_;
        if (options && options->DriverConfig) point.driver = options->DriverConfig->Name;
        point.copy_data = !(options && (options->NoCopy || !options->Subpath.empty()));
    } else if (mount.Type == "image") {
        point.name = point.source = mount.Source;
        point.rw = false;
    }
    return point;
}

/// With the words of its mode, which are not checked against the type of mount here.
Mount bind_word_mount(std::string_view word, std::string_view source, std::string_view target,
                      const MountMode& mode, std::string_view mode_text, std::string_view driver) {
    Mount mount;
    mount.Type = source.starts_with('/') ? "bind" : "volume";
    mount.Source = source;
    mount.Target = target;
    mount.ReadOnly = !mode.rw;
    if (!driver.empty() && mount.Type == "volume") {
        mount.VolumeOptions_.emplace();
        mount.VolumeOptions_->DriverConfig.emplace().Name = driver;
    }
    if (mode.no_copy) {
        if (!mount.VolumeOptions_) mount.VolumeOptions_.emplace();
        mount.VolumeOptions_->NoCopy = true;
    }
    if (!mode.propagation.empty()) mount.BindOptions_.emplace().Propagation = mode.propagation;
    if (!mode.read_only.empty()) {
        if (mount.Type != "bind")
            refuse("mount mode {} requires a bind mount: invalid volume specification: '{}'",
                   quote(mode_text), word);
        if (!mount.BindOptions_) mount.BindOptions_.emplace();
        mount.BindOptions_->ReadOnlyNonRecursive = mode.read_only == "ro-non-recursive";
        mount.BindOptions_->ReadOnlyForceRecursive = mode.read_only != "ro-non-recursive";
    }
    return mount;
}

bool lies_in(std::string_view path, std::string_view folder) {
    return path == folder || folder == "/" ||
           (path.starts_with(folder) && path.substr(folder.size()).starts_with('/'));
}

/// A bind of the daemon's own folder, or of one that it lies in, has to be a slave: mounts in the daemon's
/// folder must not stay in containers.
void fit_data_root(MountPoint& point, const std::string& data_root) {
    if (point.type != "bind" || (!lies_in(point.source, data_root) && !lies_in(data_root, point.source)))
        return;
    std::string given = point.spec.BindOptions_ ? point.spec.BindOptions_->Propagation : "";
    if (given.empty())
        point.propagation = "rslave";
    else if (given != "rslave" && given != "rshared")
        refuse(R"(invalid mount config: must use either propagation mode "rslave" or "rshared" when mount )"
               "source is within the daemon root, daemon root: {}, bind mount source: {}, propagation: {}",
               quote(data_root), quote(point.source), quote(given));
}

/// The mounts by their places, in the order of precedence.
class Resolver {
  public:
    explicit Resolver(const MountsRequest& request) : request_(request) {}

    std::vector<MountPoint> run() {
        for (const auto& [destination, options] : request_.host.Tmpfs) {
            check_tmpfs(destination, options);
            tmpfs_.insert(sys::clean_path(destination));
        }
        for (const std::string& word : spec::api::items(request_.host.VolumesFrom)) take_from(word);
        for (const std::string& word : spec::api::items(request_.host.Binds)) take_bind(word);
        for (const Mount& mount : request_.host.Mounts) take_mount(mount);
        for (const auto& [path, nothing] : spec::api::items(request_.config.Volumes)) take_volume(path);
        std::vector<MountPoint> result;
        for (auto& [destination, point] : points_) result.push_back(std::move(point));
        return result;
    }

  private:
    void take_from(const std::string& word) {
        VolumesFrom from = parse_volumes_from(word);
        for (MountPoint point : mounts_of(from.reference)) {
            point.rw = point.rw && from.rw;
            point.mode.clear();
            point.copy_data = false;
            place(std::move(point));
        }
    }
    /// A container that is not there is the request's fault here (400), as with Docker.
    std::vector<MountPoint> mounts_of(const std::string& reference) const {
        try {
            return request_.volumes_from(reference);
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::not_found) throw;
            throw Error(ErrorKind::invalid_argument, error.what());
        }
    }
    void take_bind(const std::string& word) {
        MountPoint point = parse_bind_word(word, request_.host.VolumeDriver);
        fit_data_root(point, request_.data_root);
        if (tmpfs_.contains(point.destination)) refuse_twice(point.destination);
        take_own(std::move(point));
    }
    void take_mount(const Mount& mount) {
        MountPoint point = parse_mount(mount);
        fit_data_root(point, request_.data_root);
        take_own(std::move(point));
    }
    void take_own(MountPoint point) {
        if (!own_.insert(point.destination).second) refuse_twice(point.destination);
        place(std::move(point));
    }
    void take_volume(const std::string& path) {
        Mount mount;
        mount.Type = "volume";
        mount.Target = path;
        check_mount(mount, false);
        MountPoint point = make_point(mount);
        if (points_.contains(point.destination) || tmpfs_.contains(point.destination)) return;
        point.driver = request_.host.VolumeDriver;
        place(std::move(point));
    }
    void place(MountPoint point) {
        std::string destination = point.destination;
        points_.insert_or_assign(std::move(destination), std::move(point));
    }
    [[noreturn]] static void refuse_twice(std::string_view destination) {
        refuse("Duplicate mount point: {}", destination);
    }

    const MountsRequest& request_;
    std::map<std::string, MountPoint> points_;
    std::set<std::string> own_, tmpfs_;
};

/// Labels have no effect without SELinux; Docker shows "z" for named volumes all the same.
void set_default_mode(MountPoint& point) {
    bool is_local = point.driver.empty() || point.driver == kDefaultDriver;
    if (point.type == "volume" && point.mode.empty() && is_local) point.mode = "z";
}

}  // namespace

MountPoint parse_bind_word(std::string_view word, std::string_view driver) {
    auto malformed = [&] { return fmt::format("invalid volume specification: '{}'", word); };
    std::vector<std::string_view> parts = split(word, ':');
    if (parts.empty() || parts[0].empty() || parts.size() > 3) refuse("{}", malformed());
    // A place and a mode alone name no volume: "/x:ro".
    if (parts.size() == 2 && parse_mode(parts[1])) refuse("{}", malformed());
    std::string_view source = parts.size() == 1 ? "" : parts[0];
    std::string_view target = parts.size() == 1 ? parts[0] : parts[1];
    std::string_view mode_text = parts.size() == 3 ? parts[2] : "";
    std::optional<MountMode> mode = parse_mode(mode_text);
    if (!mode) refuse("invalid mode: {}", mode_text);
    Mount mount = bind_word_mount(word, source, target, *mode, mode_text, driver);
    with_context([&] { return malformed(); }, [&] { check_mount(mount, false); });
    MountPoint point = make_point(mount);
    point.mode = mode_text;
    point.make_source = point.type == "bind";
    set_default_mode(point);
    return point;
}

MountPoint parse_mount(const Mount& mount) {
    check_mount(mount, true);
    MountPoint point = make_point(mount);
    set_default_mode(point);
    return point;
}

VolumesFrom parse_volumes_from(std::string_view word) {
    if (word.empty()) refuse("volumes-from specification cannot be an empty string");
    size_t colon = std::min(word.find(':'), word.size());
    VolumesFrom result{.reference = std::string(word.substr(0, colon))};
    std::string_view text = word.substr(std::min(colon + 1, word.size()));
    std::optional<MountMode> mode = parse_mode(text);
    if (!mode) refuse("invalid mode: {}", text);
    if (!mode->read_only.empty())
        refuse("mount mode {} is not supported for volumes-from mounts: invalid mode: {}", quote(text), text);
    // The mounts keep the propagation that they have, and nothing is copied any more.
    if (!mode->propagation.empty() || mode->no_copy) refuse("invalid mode: {}", text);
    result.rw = mode->rw;
    return result;
}

void check_tmpfs(std::string_view destination, std::string_view options) {
    check_destination(destination);
    static constexpr std::array<std::string_view, 33> kFlags = {
        "defaults",   "ro",          "rw",       "suid",       "nosuid",      "dev",
        "nodev",      "exec",        "noexec",   "sync",       "async",       "dirsync",
        "mand",       "nomand",      "atime",    "noatime",    "diratime",    "nodiratime",
        "private",    "rprivate",    "shared",   "rshared",    "slave",       "rslave",
        "unbindable", "runbindable", "relatime", "norelatime", "strictatime", "nostrictatime",
        "remount",    "bind",        "rbind"};
    static constexpr std::array<std::string_view, 7> kKeys = {"size",      "mode",      "uid", "gid",
                                                              "nr_inodes", "nr_blocks", "mpol"};
    for (std::string_view option : split(options, ',')) {
        if (option.empty() || std::ranges::find(kFlags, option) != kFlags.end()) continue;
        size_t equals = option.find('=');
        bool is_known = equals != std::string_view::npos &&
                        std::ranges::find(kKeys, option.substr(0, equals)) != kKeys.end();
        if (!is_known) refuse("invalid tmpfs option [{}]", quote(option));
    }
}

std::string tmpfs_options(const Mount& mount) {
    std::vector<std::string> options;
    if (mount.ReadOnly) options.emplace_back("ro");
    if (mount.TmpfsOptions_) {
        const spec::api::TmpfsOptions& given = *mount.TmpfsOptions_;
        if (given.Mode != 0) options.push_back(fmt::format("mode={:o}", given.Mode));
        if (given.SizeBytes != 0) options.push_back(fmt::format("size={}", given.SizeBytes));
        for (const spec::api::Strings& option : given.Options) options.push_back(join(option, "="));
    }
    return join(options, ",");
}

std::vector<MountPoint> resolve_mounts(const MountsRequest& request) {
    return Resolver(request).run();
}

}  // namespace berth::engine
