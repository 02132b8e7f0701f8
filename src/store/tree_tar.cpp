// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include "base/strings.h"
#include "store/diff.h"
#include "store/folder_chain.h"
#include "store/layer_lookup.h"
#include "store/layer_names.h"
#include "sys/file.h"
#include "sys/tar_writer.h"

namespace berth::store {

using sys::check;
using sys::TarHeader;
using sys::TarType;

namespace {

constexpr size_t kBuffer = 256 * 1024;
constexpr uint32_t kMarkerMode = 0600;

/// What overlayfs leaves in place of contents when features are on that a layer can't have.
bool is_redirect(std::string_view name) {
    for (std::string_view prefix : {kOverlayXattrs, kUserOverlayXattrs})
        if (name.starts_with(prefix)) {
            std::string_view rest = name.substr(prefix.size());
            return rest == "redirect" || rest == "metacopy";
        }
    return false;
}

bool is_kept_or_redirect(std::string_view name) {
    return is_kept_xattr(name) || is_redirect(name);
}

class TreeWriter {
  public:
    TreeWriter(sys::ByteSink& to, const LayerTarOptions& options, bool is_layer)
        : tar_(to),
          options_(options),
          is_layer_(is_layer),
          buffer_(std::make_unique_for_overwrite<std::byte[]>(kBuffer)) {}

    void write_folder(int folder, const std::string& prefix, size_t depth);
    uint64_t finish() {
        tar_.finish();
        return bytes_;
    }
    void set_mount(int root) { mount_ = mount_of(root); }

  private:
    struct Inode {
        dev_t device;
        ino_t number;
        auto operator<=>(const Inode&) const = default;
    };

    static uint64_t mount_of(int fd);
    void write_entry(int folder, const std::string& name, const std::string& prefix, size_t depth);
    void write_marker(const std::string& path);
    bool write_link(const std::string& path, const struct stat& status, TarHeader& header);
    void write_file(int fd, const std::string& path, TarHeader& header);
    TarHeader header_of(const std::string& path, const struct stat& status) const;
    void take_xattrs(int fd, bool is_path, TarHeader& header) const;

    sys::TarWriter tar_;
    const LayerTarOptions& options_;
    const bool is_layer_;
    std::unique_ptr<std::byte[]> buffer_;
    uint64_t bytes_ = 0;
    uint64_t mount_ = 0;
    bool has_named_error_ = false;
    std::map<Inode, std::string> links_;  ///< of files with several names: the first
};

uint64_t TreeWriter::mount_of(int fd) {
    struct statx status{};
    check(::statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status), "statx");
    return status.stx_mnt_id;
}

TarHeader TreeWriter::header_of(const std::string& path, const struct stat& status) const {
    TarHeader header;
    header.path = path;
    header.type = sys::tar_type(status.st_mode);
    header.mode = status.st_mode & 07777;
    header.uid = status.st_uid;
    header.gid = status.st_gid;
    header.mtime.seconds = status.st_mtim.tv_sec;
    if (options_.clamp_mtime) header.mtime.seconds = std::min(header.mtime.seconds, *options_.clamp_mtime);
    if (header.type == TarType::char_device || header.type == TarType::block_device) {
        header.dev_major = major(status.st_rdev);
        header.dev_minor = minor(status.st_rdev);
    }
    return header;
}

void TreeWriter::take_xattrs(int fd, bool is_path, TarHeader& header) const {
    header.xattrs = read_xattrs(fd, is_path, is_layer_ ? is_kept_or_redirect : is_kept_xattr);
    for (const auto& [name, value] : header.xattrs)
        if (is_redirect(name))
            throw make_error(ErrorKind::not_implemented, "its contents are in another layer (overlayfs's {})",
                             name);
}

/// An empty file with a meaning. Its times are nothing that anybody set: always the same.
void TreeWriter::write_marker(const std::string& path) {
    TarHeader header;
    header.path = path;
    header.mode = kMarkerMode;
    tar_.add(header);
}

bool TreeWriter::write_link(const std::string& path, const struct stat& status, TarHeader& header) {
    if (status.st_nlink < 2) return false;
    auto [first, is_new] = links_.try_emplace({status.st_dev, status.st_ino}, path);
    if (is_new) return false;
    header.type = TarType::hard_link;
    header.link_target = first->second;
    header.size = 0;
    tar_.add(header);
    return true;
}

void TreeWriter::write_file(int fd, const std::string& path, TarHeader& header) {
    tar_.add(header);
    bytes_ += header.size;
    uint64_t left = header.size;
    while (left > 0) {
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

void TreeWriter::write_entry(int folder, const std::string& name, const std::string& prefix, size_t depth) {
    // What it is and what is read of it are told by one descriptor: a running container could put a device
    // into the place of a file meanwhile.
    std::optional<UniqueFd> entry = sys::try_open_at(folder, name, O_PATH | O_NOFOLLOW);
    if (!entry) return;
    struct stat status{};
    check(::fstat(entry->get(), &status), "stat");
    std::string path = prefix + name;
    if (S_ISSOCK(status.st_mode)) return;
    if (is_whiteout(status)) {
        if (is_layer_) write_marker(fmt::format("{}{}{}", prefix, kWhiteoutPrefix, name));
        return;
    }
    if (is_layer_ && name.starts_with(kWhiteoutPrefix))
        throw make_error(ErrorKind::invalid_argument,
                         "a layer can't hold this name, which means a deleted file");
    bool is_elsewhere = !is_layer_ && mount_of(entry->get()) != mount_;
    if (is_elsewhere && !S_ISDIR(status.st_mode)) return;

    TarHeader header = header_of(path, status);
    if (S_ISDIR(status.st_mode)) {
        std::optional<FolderChain::Folder> inner = FolderChain::open(folder, name);
        if (!inner) throw errno_error(errno, "open");
        if (!is_elsewhere) take_xattrs(inner->fd.get(), false, header);
        tar_.add(header);
        if (is_elsewhere) return;
        if (is_layer_ && is_opaque(inner->fd.get()))
            write_marker(fmt::format("{}/{}", path, kWhiteoutOpaque));
        return write_folder(inner->fd.get(), path + "/", depth + 1);
    }
    if (S_ISREG(status.st_mode)) {
        header.size = static_cast<uint64_t>(status.st_size);
        UniqueFd fd = sys::open_file(fmt::format("/proc/self/fd/{}", entry->get()), O_RDONLY | O_NONBLOCK);
        take_xattrs(fd.get(), false, header);
        if (!write_link(path, status, header)) write_file(fd.get(), path, header);
        return;
    }
    take_xattrs(entry->get(), true, header);
    if (S_ISLNK(status.st_mode)) {
        std::array<char, PATH_MAX> target;
        ssize_t size = check(::readlinkat(entry->get(), "", target.data(), target.size()), "read a symlink");
        header.link_target.assign(target.data(), static_cast<size_t>(size));
    }
    if (!write_link(path, status, header)) tar_.add(header);
}

void TreeWriter::write_folder(int folder, const std::string& prefix, size_t depth) {
    if (depth > FolderChain::kMaxDepth)
        throw make_error(ErrorKind::invalid_argument, "folders more than {} deep", FolderChain::kMaxDepth);
    std::vector<std::string> names = sys::list_dir(folder);
    std::ranges::sort(names);
    for (const std::string& name : names) {
        try {
            write_entry(folder, name, prefix, depth);
        } catch (Error& error) {
            // The folders above add nothing.
            if (!std::exchange(has_named_error_, true)) error.add_context(quote(prefix + name));
            throw;
        }
    }
}

}  // namespace

uint64_t write_layer_tar(int upper, sys::ByteSink& to, const LayerTarOptions& options) {
    TreeWriter writer(to, options, true);
    writer.write_folder(upper, "", 0);
    return writer.finish();
}

uint64_t write_tree_tar(int root, sys::ByteSink& to, const LayerTarOptions& options) {
    TreeWriter writer(to, options, false);
    writer.set_mount(root);
    writer.write_folder(root, "", 0);
    return writer.finish();
}

}  // namespace berth::store
