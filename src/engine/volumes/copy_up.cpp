// SPDX-License-Identifier: Apache-2.0
#include "engine/volumes/copy_up.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "engine/files/beneath.h"
#include "engine/files/detached_mount.h"
#include "engine/files/root_view.h"
#include "engine/files/tree_copy.h"
#include "engine/volumes/local_driver.h"
#include "store/lock_file.h"
#include "store/tree.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

/// A volume's content and the folder where a copy for it is gathered: on the same file system, so that it can
/// be moved. One at a time by a lock, which the kernel takes back from a killed process.
class CopyPlace {
  public:
    /// Of a volume of its own folder.
    static CopyPlace beside(const std::string& volume) {
        CopyPlace place;
        place.stage_ = sys::open_file(volume, O_RDONLY | O_DIRECTORY);
        place.data_ = sys::open_at(place.stage_.get(), "_data", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        place.copy_ = "_copy";
        place.copied_ = "_copied";
        place.lock();
        return place;
    }
    /// Of one whose file system is mounted: there is no other place than in it.
    static CopyPlace within(int mount) {
        CopyPlace place;
        place.stage_ = sys::open_at(mount, ".", O_RDONLY | O_DIRECTORY);
        place.data_ = sys::open_at(mount, ".", O_RDONLY | O_DIRECTORY);
        place.copy_ = ".berth-copy";
        place.copied_ = ".berth-copied";
        place.lock();
        return place;
    }

    /// Ends or removes what a killed one left.
    void finish() {
        store::remove_tree(stage_.get(), copy_);
        std::optional<UniqueFd> copied =
            sys::try_open_at(stage_.get(), copied_, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        if (copied) move_in(copied->get());
    }
    bool is_empty() const { return sys::list_dir(data_.get()).empty(); }
    void fill(int from) {
        sys::check(::mkdirat(stage_.get(), copy_.c_str(), 0700), "making a folder for the copy");
        // In a volume with a file system of its own, containers may exchange it for a symlink.
        UniqueFd copy = sys::open_at(stage_.get(), copy_, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        try {
            copy_tree(from, copy.get());
        } catch (const Error&) {
            store::remove_tree(stage_.get(), copy_);
            throw;
        }
        sys::check(::renameat(stage_.get(), copy_.c_str(), stage_.get(), copied_.c_str()), "rename the copy");
        move_in(copy.get());
    }

  private:
    CopyPlace() = default;
    void lock() {
        // A network's file system may have no locks.
        if (store::flock_fd(stage_.get(), LOCK_EX) < 0 && errno != EOPNOTSUPP && errno != ENOLCK)
            throw errno_error(errno, "lock a volume");
    }
    /// Each step can be done again: after a kill it goes on where it was.
    void move_in(int copied) {
        for (const std::string& name : sys::list_dir(copied)) {
            // What appeared in the volume meanwhile is somebody's own, and stays.
            if (::renameat2(copied, name.c_str(), data_.get(), name.c_str(), RENAME_NOREPLACE) == 0 ||
                errno == EEXIST)
                continue;
            if (errno != EINVAL) throw errno_error(errno, "move " + name);
            // NFS and others don't know the flag.
            sys::check(::renameat(copied, name.c_str(), data_.get(), name.c_str()),
                       [&] { return "move " + name; });
        }
        copy_folder_attributes(copied, data_.get());
        store::remove_tree(stage_.get(), copied_);
    }

    UniqueFd stage_, data_;
    std::string copy_, copied_;
};

const Volume* volume_of(const MountPoint& mount, const std::map<std::string, Volume>& volumes) {
    if (mount.type != "volume" || !mount.copy_data) return nullptr;
    auto found = volumes.find(mount.name);
    // What is copied into a tmpfs now is gone when the container starts.
    if (found == volumes.end() || is_mounted_on_host(found->second)) return nullptr;
    return &found->second;
}

std::string folder_of(const Volume& volume) {
    return volume.mountpoint.substr(0, volume.mountpoint.rfind('/'));
}

/// Of a volume whose file system is not mounted it isn't known.
bool may_be_empty(const Volume& volume) {
    if (volume.needs_mount()) return true;
    CopyPlace place = CopyPlace::beside(folder_of(volume));
    place.finish();
    return place.is_empty();
}

/// The folder at `destination`; nothing where there is none.
std::optional<UniqueFd> open_source(int root, const std::string& destination) {
    std::optional<UniqueFd> found = try_open_in_root(root, destination, O_PATH);
    if (!found) return std::nullopt;
    struct stat status{};
    sys::check(::fstat(found->get(), &status), [&] { return "stat " + destination; });
    if (!S_ISDIR(status.st_mode))
        throw make_error(ErrorKind::invalid_argument,
                         "cannot mount volume over existing file, file exists {}", destination);
    return sys::open_at(found->get(), ".", O_RDONLY | O_DIRECTORY);
}

void fill_if_empty(CopyPlace place, int source) {
    place.finish();
    if (place.is_empty()) place.fill(source);
}

}  // namespace

bool needs_populate(const std::vector<MountPoint>& mounts, const std::map<std::string, Volume>& volumes) {
    return std::ranges::any_of(mounts, [&](const MountPoint& mount) {
        const Volume* volume = volume_of(mount, volumes);
        return volume != nullptr && may_be_empty(*volume);
    });
}

void populate_volumes(const store::MountPlan& plan, const std::vector<MountPoint>& mounts,
                      const std::map<std::string, Volume>& volumes) {
    std::shared_ptr<RootView> view = RootView::assemble({.root = plan, .mounts = {}});
    for (const MountPoint& mount : mounts) {
        const Volume* volume = volume_of(mount, volumes);
        if (volume == nullptr) continue;
        std::optional<UniqueFd> source = open_source(view->root(), mount.destination);
        if (!source) continue;
        with_context([&] { return "failed to populate volume: " + volume->name; },
                     [&] {
                         if (!volume->needs_mount())
                             return fill_if_empty(CopyPlace::beside(folder_of(*volume)), source->get());
                         UniqueFd mounted = make_detached_mount(option_mount(*volume, mount.destination));
                         fill_if_empty(CopyPlace::within(mounted.get()), source->get());
                     });
    }
}

void finish_copy_up(const std::string& volume) {
    CopyPlace::beside(volume).finish();
}

void copy_up(int source_root, const std::string& destination, const std::string& volume) {
    if (std::optional<UniqueFd> source = open_source(source_root, destination))
        fill_if_empty(CopyPlace::beside(volume), source->get());
}

}  // namespace berth::engine
