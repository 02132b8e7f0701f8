// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "engine/files/archive.h"
#include "engine/files/beneath.h"
#include "engine/files/found_path.h"
#include "store/diff.h"
#include "store/layer_lookup.h"
#include "sys/file.h"
#include "sys/tar_writer.h"

namespace berth::engine {

using sys::check;
using sys::TarHeader;
using sys::TarType;

namespace {

constexpr size_t kBuffer = 256 * 1024;
/// As for layers (store/folder_chain.h): each level holds a descriptor and a stack frame.
constexpr size_t kMaxDepth = 1024;

/// What Docker sends of a file's attributes.
bool is_sent_xattr(std::string_view name) {
    return name == "security.capability" || name.starts_with("user.");
}

/// Writes what is below an open folder. Everything is opened with O_PATH first and only then looked at, so
/// that what is exchanged meanwhile is neither followed nor, where it is a device or fifo, opened.
class TreeSender {
  public:
    explicit TreeSender(sys::ByteSink& to)
        : tar_(to), buffer_(std::make_unique_for_overwrite<std::byte[]>(kBuffer)) {}

    /// `path` is the name in the archive, `place` the path in the container.
    void send(int fd, const struct stat& status, const std::string& path, const std::string& place,
              size_t depth);
    void finish() { tar_.finish(); }

  private:
    struct Inode {
        dev_t device;
        ino_t number;
        auto operator<=>(const Inode&) const = default;
    };
    void send_folder(int folder, const std::string& path, const std::string& place, size_t depth);
    bool send_link(const struct stat& status, TarHeader& header);
    void send_content(int fd, uint64_t size, const std::string& path);

    sys::TarWriter tar_;
    std::unique_ptr<std::byte[]> buffer_;
    std::map<Inode, std::string> links_;  ///< of files with several names: the first
};

TarHeader header_of(int fd, const struct stat& status, const std::string& path) {
    TarHeader header;
    header.path = path;
    header.type = sys::tar_type(status.st_mode);
    header.mode = status.st_mode & 07777;
    header.uid = status.st_uid;
    header.gid = status.st_gid;
    header.mtime.seconds = status.st_mtim.tv_sec;
    if (S_ISREG(status.st_mode)) header.size = static_cast<uint64_t>(status.st_size);
    if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
        header.dev_major = major(status.st_rdev);
        header.dev_minor = minor(status.st_rdev);
    }
    if (S_ISLNK(status.st_mode)) {
        std::array<char, PATH_MAX> target;
        ssize_t size =
            check(::readlinkat(fd, "", target.data(), target.size()), [&] { return "readlink " + path; });
        header.link_target.assign(target.data(), static_cast<size_t>(size));
    }
    return header;
}

void TreeSender::send(int fd, const struct stat& status, const std::string& path, const std::string& place,
                      size_t depth) {
    if (S_ISSOCK(status.st_mode)) return;
    TarHeader header = header_of(fd, status, path);
    if (S_ISDIR(status.st_mode)) {
        UniqueFd folder = sys::open_at(fd, ".", O_RDONLY | O_DIRECTORY);
        header.xattrs = store::read_xattrs(folder.get(), false, is_sent_xattr);
        tar_.add(header);
        return send_folder(folder.get(), path, place, depth);
    }
    if (send_link(status, header)) return;
    if (!S_ISREG(status.st_mode)) return tar_.add(header);
    UniqueFd file = reopen(fd, O_RDONLY | O_NONBLOCK);
    header.xattrs = store::read_xattrs(file.get(), false, is_sent_xattr);
    tar_.add(header);
    send_content(file.get(), header.size, path);
}

bool TreeSender::send_link(const struct stat& status, TarHeader& header) {
    if (status.st_nlink < 2) return false;
    auto [first, is_new] = links_.try_emplace({status.st_dev, status.st_ino}, header.path);
    if (is_new) return false;
    header.type = TarType::hard_link;
    header.link_target = first->second;
    header.size = 0;
    tar_.add(header);
    return true;
}

void TreeSender::send_content(int fd, uint64_t size, const std::string& path) {
    for (uint64_t left = size; left > 0;) {
        std::span<std::byte> room(buffer_.get(), static_cast<size_t>(std::min<uint64_t>(left, kBuffer)));
        ssize_t got = check(sys::retry([&] { return ::read(fd, room.data(), room.size()); }),
                            [&] { return "read " + path; });
        // It has become shorter.
        if (got == 0) std::ranges::fill(room, std::byte{0});
        std::span<std::byte> data = got == 0 ? room : room.first(static_cast<size_t>(got));
        tar_.write(data);
        left -= data.size();
    }
}

void TreeSender::send_folder(int folder, const std::string& path, const std::string& place, size_t depth) {
    if (depth > kMaxDepth)
        throw make_error(ErrorKind::invalid_argument, "{}: folders more than {} deep", place, kMaxDepth);
    uint64_t mount = mount_id(folder);
    std::vector<std::string> names = sys::list_dir(folder);
    std::ranges::sort(names);
    for (const std::string& name : names) {
        std::optional<UniqueFd> fd = sys::try_open_at(folder, name, O_PATH | O_NOFOLLOW);
        if (!fd) continue;  // gone meanwhile
        struct stat status{};
        check(::fstat(fd->get(), &status), [&] { return "stat " + name; });
        std::string inner_place = fmt::format("{}/{}", place == "/" ? "" : place, name);
        std::string inner_path = fmt::format("{}/{}", path, name);
        bool is_hidden =
            mount_id(fd->get()) != mount && (inner_place == "/dev" || is_kernel_interface(fd->get()));
        if (!is_hidden)
            send(fd->get(), status, inner_path, inner_place, depth + 1);
        else if (S_ISDIR(status.st_mode))
            tar_.add(header_of(fd->get(), status, inner_path));
    }
}

}  // namespace

struct PathArchive::State {
    std::shared_ptr<RootView> view;
    ClientPath path;
    FoundPath found;
    FileStat stat;
};

PathArchive::PathArchive(std::shared_ptr<RootView> view, std::string_view path, std::string_view container) {
    ClientPath wanted(path);
    FoundPath found = find_path(view->root(), wanted, path, container);
    FileStat stat = file_stat(view->root(), wanted, found);
    state_ = std::make_unique<State>(std::move(view), std::move(wanted), std::move(found), std::move(stat));
}

PathArchive::~PathArchive() = default;
PathArchive::PathArchive(PathArchive&&) noexcept = default;

const FileStat& PathArchive::stat() const {
    return state_->stat;
}

void PathArchive::write(sys::ByteSink& to) const {
    // Of the root all names start with '/': clients put their own name before it.
    std::string top = state_->path.base == "/" ? "" : state_->path.base;
    TreeSender sender(to);
    sender.send(state_->found.fd.get(), state_->found.status, top, state_->path.clean, 0);
    sender.finish();
}

void export_tree(const RootView& view, sys::ByteSink& to) {
    UniqueFd root = view.bare_root();
    UniqueFd folder = sys::open_at(root.get(), ".", O_RDONLY | O_DIRECTORY);
    store::write_tree_tar(folder.get(), to);
}

}  // namespace berth::engine
