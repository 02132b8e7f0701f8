// SPDX-License-Identifier: Apache-2.0
#include "engine/volumes/prepare.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "base/strings.h"
#include "engine/volumes/local_driver.h"
#include "engine/volumes/propagation.h"
#include "store/tree.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

/// mkdir -p with Docker's mode. What is there already, a file too, is left as it is.
void make_source(const std::string& path) {
    if (sys::exists(path)) return;
    with_context([&] { return fmt::format("error while creating mount source path '{}'", path); },
                 [&] { sys::make_dirs(path, 0755); });
}

/// What `subpath` names below `base`, neither by ".." nor by a symlink anywhere else.
UniqueFd open_subpath(const std::string& base, const std::string& subpath) {
    UniqueFd folder = sys::open_file(base, O_PATH | O_DIRECTORY);
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    long fd = -1;
    for (int tries = 0; tries < 1000; ++tries) {
        fd = sys::retry(
            [&] { return ::syscall(SYS_openat2, folder.get(), subpath.c_str(), &how, sizeof how); });
        if (fd >= 0 || errno != EAGAIN) break;
    }
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    std::string problem =
        errno == EXDEV ? "path concatenation escapes the base directory" : errno_text(errno);
    throw make_error(ErrorKind::invalid_argument, "cannot access path {}/{}: {}", base, subpath, problem);
}

std::vector<std::string> tmpfs_mount_options(std::string_view words) {
    std::vector<std::string> options = {"noexec", "nosuid", "nodev", "rprivate"};
    for (std::string_view word : split(words, ','))
        if (!word.empty()) options.emplace_back(word);
    return options;
}

/// "shared" where a mount is shared, else "rslave" where one is a slave.
void raise_propagation(std::string& root, std::string_view mount) {
    if (mount.ends_with("shared"))
        root = "shared";
    else if (mount.ends_with("slave") && root.empty())
        root = "rslave";
}

class Preparer {
  public:
    explicit Preparer(const PrepareRequest& request) : request_(request) {}

    PreparedMounts run() {
        std::set<std::string> tmpfs;
        for (const auto& [destination, words] : request_.tmpfs) {
            std::string place = sys::clean_path(destination);
            tmpfs.insert(place);
            add_tmpfs(place, words);
        }
        for (const MountPoint& mount : request_.mounts)
            if (!tmpfs.contains(mount.destination)) add(mount);
        auto depth = [](const spec::Mount& mount) {
            return std::pair(std::ranges::count(mount.destination, '/'), std::string_view(mount.destination));
        };
        std::ranges::sort(result_.mounts, {}, depth);
        return std::move(result_);
    }

  private:
    void add(const MountPoint& mount) {
        if (mount.type == "bind") return add_bind(mount);
        if (mount.type == "volume") return add_volume(mount);
        if (mount.type == "tmpfs") return add_tmpfs(mount.destination, tmpfs_options(mount.spec));
        if (mount.type == "image") return add_image(mount);
        throw make_error(ErrorKind::invalid_argument, "invalid mount config for type {}: mount type unknown",
                         quote(mount.type));
    }
    void add_tmpfs(const std::string& destination, std::string_view words) {
        result_.mounts.push_back({.destination = destination,
                                  .type = "tmpfs",
                                  .source = "tmpfs",
                                  .options = tmpfs_mount_options(words)});
    }
    void add_bind(const MountPoint& mount) {
        if (mount.make_source)
            make_source(mount.source);
        else if (!sys::exists(mount.source))
            throw make_error(ErrorKind::invalid_argument,
                             R"(invalid mount config for type "bind": bind source path does not exist: {})",
                             mount.source);
        bool is_explicit = mount.spec.BindOptions_ && !mount.spec.BindOptions_->Propagation.empty();
        std::string propagation = mount.propagation;
        try {
            check_propagation(mount.source, propagation);
        } catch (const Error&) {
            // For the daemon's own folder it was chosen for the user, who must not fail by it.
            if (is_explicit) throw;
            propagation = "rprivate";
        }
        raise_propagation(result_.rootfs_propagation, propagation);
        add_bind_of(mount, mount.source, propagation);
    }
    void add_bind_of(const MountPoint& mount, std::string source, const std::string& propagation) {
        static const spec::api::BindOptions kNone;
        const spec::api::BindOptions& options = mount.spec.BindOptions_ ? *mount.spec.BindOptions_ : kNone;
        spec::Mount made{.destination = mount.destination, .type = "bind", .source = std::move(source)};
        made.options.emplace_back(options.NonRecursive ? "bind" : "rbind");
        if (!mount.rw) {
            made.options.emplace_back("ro");
            if (!options.NonRecursive && !options.ReadOnlyNonRecursive) made.options.emplace_back("rro");
        }
        if (!propagation.empty()) made.options.push_back(propagation);
        result_.mounts.push_back(std::move(made));
    }
    void add_volume(const MountPoint& mount) {
        auto found = request_.volumes.find(mount.name);
        if (found == request_.volumes.end())
            throw make_error(ErrorKind::not_found, "get {}: no such volume", mount.name);
        const Volume& volume = found->second;
        std::string subpath = mount.spec.VolumeOptions_ ? mount.spec.VolumeOptions_->Subpath : "";
        if (!volume.needs_mount() || is_mounted_on_host(volume))
            return add_bind_of(mount, with_subpath(volume.mountpoint, subpath), mount.propagation);
        spec::Mount made = with_context(
            [&] {
                return fmt::format("error while mounting volume '{}': failed to mount local volume",
                                   volume.mountpoint);
            },
            [&] { return own_mount(mount, volume); });
        if (!subpath.empty()) {
            if (made.type != "bind")
                throw make_error(ErrorKind::not_implemented,
                                 "volume {}: a subpath of a volume of type {} can't be mounted", volume.name,
                                 made.type);
            made.source = with_subpath(made.source, subpath);
        }
        result_.mounts.push_back(std::move(made));
    }
    static spec::Mount own_mount(const MountPoint& mount, const Volume& volume) {
        spec::Mount made = option_mount(volume, mount.destination);
        if (made.type == "bind" && !sys::exists(made.source))
            throw make_error(ErrorKind::invalid_argument, "mount {}:{}: {}", made.source, volume.mountpoint,
                             errno_text(ENOENT));
        if (!mount.rw) made.options.emplace_back("ro");
        return made;
    }
    void add_image(const MountPoint& mount) {
        sys::make_dirs(request_.mount_folder, 0700);
        std::string folder = fmt::format("{}/{}", request_.mount_folder, random_hex(8));
        const ImageMount& image = result_.images.emplace_back(request_.image_plan(mount.source), folder);
        std::string subpath = mount.spec.ImageOptions ? mount.spec.ImageOptions->Subpath : "";
        add_bind_of(mount, with_subpath(image.folder(), subpath), "");
    }
    /// A path to what the subpath names now, whatever is put in its place later.
    std::string with_subpath(const std::string& base, const std::string& subpath) {
        if (subpath.empty()) return base;
        UniqueFd fd = open_subpath(base, subpath);
        std::string path = fmt::format("/proc/{}/fd/{}", ::getpid(), fd.get());
        result_.descriptors.push_back(std::move(fd));
        return path;
    }

    const PrepareRequest& request_;
    PreparedMounts result_;
};

}  // namespace

ImageMount::ImageMount(const store::MountPlan& plan, std::string folder) : folder_(std::move(folder)) {
    sys::make_dirs(folder_, 0700);
    try {
        store::mount(plan, folder_);
    } catch (const Error&) {
        (void)::rmdir(folder_.c_str());
        throw;
    }
}

ImageMount::~ImageMount() {
    if (folder_.empty()) return;
    if (::umount2(folder_.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH) < 0 || ::rmdir(folder_.c_str()) < 0)
        log::error("unmounting the image on {}: {}", folder_, errno_text(errno));
}

PreparedMounts prepare_mounts(const PrepareRequest& request) {
    return Preparer(request).run();
}

void clean_mount_folder(const std::string& mount_folder) {
    if (!sys::exists(mount_folder)) return;
    UniqueFd folder = sys::open_file(mount_folder, O_RDONLY | O_DIRECTORY);
    for (const std::string& name : sys::list_dir(folder.get())) {
        std::string path = mount_folder + "/" + name;
        while (::umount2(path.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH) == 0) {
        }
        if (::rmdir(path.c_str()) < 0) log::warning("removing {}: {}", path, errno_text(errno));
    }
}

}  // namespace berth::engine
