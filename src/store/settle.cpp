// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <map>
#include <memory>

#include "base/strings.h"
#include "store/folder_chain.h"
#include "store/layer_lookup.h"
#include "store/layer_names.h"
#include "store/unpack.h"
#include "sys/file.h"

namespace berth::store {

using sys::check;

namespace {

using Folder = FolderChain::Folder;

struct Place {
    std::vector<std::string_view> folders;
    std::string name;
};

Place place_of(std::string_view path) {
    Place place{split(path, '/'), {}};
    place.name = place.folders.back();
    place.folders.pop_back();
    return place;
}

class Settler {
  public:
    Settler(int root, const std::vector<int>& lowers, const UnpackOptions& options)
        : lowers_(lowers), options_(options), names_(root), targets_(root) {}

    void link_below(const std::string& name, const std::string& target);
    void imply(const std::string& path);
    void finish() {
        names_.leave(0);
        targets_.leave(0);
    }

  private:
    Folder* enter(FolderChain& chain, const std::vector<std::string_view>& folders);
    bool link_within(const Place& place, Folder& folder, const std::string& target);
    void copy_metadata(int from, bool is_path, int to, const struct stat& status);
    void copy_file(const LayerFile& from, Folder& folder, const std::string& name);
    void copy_data(int from, int to, uint64_t size);
    void copy_special(const LayerFile& from, Folder& folder, const std::string& name);

    const std::vector<int>& lowers_;
    const UnpackOptions& options_;
    FolderChain names_, targets_;
    std::map<std::string, std::string, std::less<>> copies_;  ///< of a target: the name that has it
};

/// Folders where something is made keep the times that the archive gave them.
Folder* Settler::enter(FolderChain& chain, const std::vector<std::string_view>& folders) {
    return chain.enter(folders, [&](Folder& parent, size_t i) {
        std::optional<Folder> next = FolderChain::open(parent.fd.get(), folders[i]);
        if (next && &chain == &names_) {
            struct stat status{};
            check(::fstat(next->fd.get(), &status), "stat a folder");
            next->times = {status.st_atim, status.st_mtim};
        }
        return next;
    });
}

/// Links to a target that the layer itself has by now.
bool Settler::link_within(const Place& place, Folder& folder, const std::string& target) {
    Place wanted = place_of(target);
    Folder* from = enter(targets_, wanted.folders);
    if (from == nullptr) return false;
    struct stat status{};
    if (::fstatat(from->fd.get(), wanted.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0 ||
        is_whiteout(status))
        return false;
    check(::linkat(from->fd.get(), wanted.name.c_str(), folder.fd.get(), place.name.c_str(), 0),
          [&] { return "link to " + quote(target); });
    return true;
}

void Settler::link_below(const std::string& name, const std::string& target) {
    Place place = place_of(name);
    Folder* folder = enter(names_, place.folders);
    struct stat status{};
    // A later entry may have taken the name, or the folder.
    if (folder == nullptr ||
        ::fstatat(folder->fd.get(), place.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
        return;
    if (link_within(place, *folder, target)) return;
    if (auto copy = copies_.find(target); copy != copies_.end() && link_within(place, *folder, copy->second))
        return;
    std::optional<LayerFile> from = find_in_layers(lowers_, target);
    if (!from)
        throw make_error(ErrorKind::invalid_argument, "a hard link to a file that is in no layer: {}",
                         quote(target));
    if (S_ISDIR(from->status.st_mode))
        throw make_error(ErrorKind::invalid_argument, "a hard link to a folder: {}", quote(target));
    if (S_ISREG(from->status.st_mode))
        copy_file(*from, *folder, place.name);
    else
        copy_special(*from, *folder, place.name);
    copies_.emplace(target, name);
}

void Settler::copy_metadata(int from, bool is_path, int to, const struct stat& status) {
    if (options_.keep_owner)
        check(::fchownat(to, "", status.st_uid, status.st_gid, AT_EMPTY_PATH), "change the owner");
    std::string path = fmt::format("/proc/self/fd/{}", to);
    if (!S_ISLNK(status.st_mode)) check(::chmod(path.c_str(), status.st_mode & 07777), "change the mode");
    for (const auto& [key, value] : read_xattrs(from, is_path, is_kept_xattr))
        if (::setxattr(path.c_str(), key.c_str(), value.data(), value.size(), 0) < 0 && errno != EOPNOTSUPP &&
            !(errno == EPERM && options_.user_xattrs))
            throw errno_error(errno, "set attribute " + key);
    std::array<timespec, 2> times{status.st_atim, status.st_mtim};
    check(::utimensat(to, "", times.data(), AT_EMPTY_PATH), "set the times");
}

void Settler::copy_data(int from, int to, uint64_t size) {
    for (uint64_t done = 0; done < size;) {
        ssize_t got = ::copy_file_range(from, nullptr, to, nullptr, size - done, 0);
        if (got < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS)) {
            sys::FdSource source(from, "a file of a layer below");
            sys::FdSink sink(to, "a file");
            sys::copy(source, sink);
            return;
        }
        if (check(got, "copy a file of a layer below") == 0) return;
        done += static_cast<uint64_t>(got);
    }
}

void Settler::copy_file(const LayerFile& from, Folder& folder, const std::string& name) {
    UniqueFd source = sys::open_at(from.folder.get(), from.name, O_RDONLY | O_NOFOLLOW);
    UniqueFd copy = sys::open_at(folder.fd.get(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    copy_data(source.get(), copy.get(), static_cast<uint64_t>(from.status.st_size));
    copy_metadata(source.get(), false, copy.get(), from.status);
}

void Settler::copy_special(const LayerFile& from, Folder& folder, const std::string& name) {
    if (S_ISLNK(from.status.st_mode)) {
        std::string target(PATH_MAX, '\0');
        ssize_t size = ::readlinkat(from.folder.get(), from.name.c_str(), target.data(), target.size());
        target.resize(static_cast<size_t>(check(size, "read a symlink of a layer below")));
        check(::symlinkat(target.c_str(), folder.fd.get(), name.c_str()), "make a symlink");
    } else {
        check(::mknodat(folder.fd.get(), name.c_str(), from.status.st_mode, from.status.st_rdev),
              "make a device");
    }
    UniqueFd source = sys::open_at(from.folder.get(), from.name, O_PATH | O_NOFOLLOW);
    UniqueFd copy = sys::open_at(folder.fd.get(), name, O_PATH | O_NOFOLLOW);
    copy_metadata(source.get(), true, copy.get(), from.status);
}

void Settler::imply(const std::string& path) {
    std::vector<std::string_view> folders;
    if (path != ".") folders = split(path, '/');
    Folder* folder = enter(names_, folders);
    if (folder == nullptr) return;
    std::optional<LayerFile> from = find_in_layers(lowers_, path);
    if (!from || !S_ISDIR(from->status.st_mode)) return;
    UniqueFd source = sys::open_at(from->folder.get(), from->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    copy_metadata(source.get(), false, folder->fd.get(), from->status);
    folder->times = {from->status.st_atim, from->status.st_mtim};
}

}  // namespace

void settle(const UnpackResult& result, int root, const std::vector<int>& lowers,
            const UnpackOptions& options) {
    Settler settler(root, lowers, options);
    for (const auto& [name, target] : result.links_below)
        with_context([&] { return "linking " + quote(name); }, [&] { settler.link_below(name, target); });
    for (const std::string& path : result.implied_directories)
        with_context([&] { return "folder " + quote(path); }, [&] { settler.imply(path); });
    settler.finish();
}

}  // namespace berth::store
