// SPDX-License-Identifier: Apache-2.0
#include "store/unpack_entry.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/strings.h"
#include "store/layer_names.h"
#include "sys/file.h"

namespace berth::store {

using sys::check;
using sys::retry;
using sys::TarHeader;
using sys::TarType;

namespace {

constexpr mode_t kPermissions = 0777;
/// Not to be found out from the umask: the mode is always set.
constexpr mode_t kAllSet = 07777;

/// The process's umask can't be read without changing it but here (proc(5), "Umask").
mode_t current_umask() {
    std::string status = sys::read_file("/proc/thread-self/status");
    size_t at = status.find("\nUmask:");
    if (at == std::string::npos) return kAllSet;
    std::string_view line = std::string_view(status).substr(at + 7);
    return parse_number<mode_t>(trim(line.substr(0, line.find('\n'))), 8).value_or(kAllSet);
}

mode_t type_bits(TarType type) {
    if (type == TarType::char_device) return S_IFCHR;
    if (type == TarType::block_device) return S_IFBLK;
    return S_IFIFO;
}

}  // namespace

std::array<timespec, 2> times_of(const TarHeader& header) {
    auto time = [](sys::TarTime from) { return timespec{from.seconds, from.nanoseconds}; };
    return {time(header.atime.value_or(header.mtime)), time(header.mtime)};
}

EntryMaker::EntryMaker(const UnpackOptions& options, int root)
    : options_(options), uid_(::geteuid()), gid_(::getegid()), umask_(kAllSet) {
    // With a default ACL the umask doesn't count. In a file system of others' folders can have one anywhere.
    bool has_acl = ::fgetxattr(root, "system.posix_acl_default", nullptr, 0) >= 0;
    if (options.whiteouts == WhiteoutFormat::overlay && !has_acl) umask_ = current_umask();
}

bool EntryMaker::has_other_owner(const FolderChain::Folder& folder, const TarHeader& header) const {
    return options_.keep_owner && (folder.gives_group || header.uid != uid_ || header.gid != gid_);
}

/// Other than what open(2), mkdir(2) or mknod(2) gave it.
bool EntryMaker::has_other_mode(const FolderChain::Folder& folder, const TarHeader& header) const {
    return header.mode != (header.mode & kPermissions & ~umask_) || folder.gives_group;
}

void EntryMaker::set_xattr(int fd, bool is_path, const std::string& name, const std::string& value) {
    if (!is_kept_xattr(name)) return;
    int result = is_path ? ::setxattr(fmt::format("/proc/self/fd/{}", fd).c_str(), name.c_str(), value.data(),
                                      value.size(), 0)
                         : ::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0);
    if (result == 0 || errno == EOPNOTSUPP || (errno == EPERM && options_.user_xattrs)) return;
    throw errno_error(errno, "set attribute " + name);
}

/// In this order: a change of owner takes away setuid and capabilities.
void EntryMaker::set_metadata(const FolderChain::Folder& folder, int fd, const TarHeader& header) {
    if (has_other_owner(folder, header)) check(::fchown(fd, header.uid, header.gid), "change the owner");
    bool lost_setuid = (header.mode & (S_ISUID | S_ISGID)) != 0;
    if (has_other_mode(folder, header) || lost_setuid) check(::fchmod(fd, header.mode), "change the mode");
    for (const auto& [name, value] : header.xattrs) set_xattr(fd, false, name, value);
}

void EntryMaker::write_data(int fd, const std::string& name, sys::TarReader& reader,
                            const std::function<void(uint64_t)>& count) {
    while (true) {
        std::span<const std::byte> data = reader.read_view(SIZE_MAX);
        if (data.empty()) return;
        sys::write_all(fd, {reinterpret_cast<const char*>(data.data()), data.size()}, name);
        count(data.size());
    }
}

void EntryMaker::write_sparse(int fd, const std::string& name, const TarHeader& header,
                              sys::TarReader& reader, const std::function<void(uint64_t)>& count) {
    for (const TarHeader::Segment& segment : header.sparse) {
        check(::lseek(fd, static_cast<off_t>(segment.offset), SEEK_SET), "seek in a sparse file");
        for (uint64_t left = segment.length; left > 0;) {
            std::span<const std::byte> data = reader.read_view(static_cast<size_t>(left));
            sys::write_all(fd, {reinterpret_cast<const char*>(data.data()), data.size()}, name);
            count(data.size());
            left -= data.size();
        }
    }
    check(::ftruncate(fd, static_cast<off_t>(header.size)), "set the size of a sparse file");
}

void EntryMaker::make_file(const FolderChain::Folder& folder, const std::string& name,
                           const TarHeader& header, sys::TarReader& reader,
                           const std::function<void(uint64_t)>& count) {
    UniqueFd fd(check(retry([&] {
                          return ::openat(folder.fd.get(), name.c_str(),
                                          O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                                          header.mode & kPermissions);
                      }),
                      "create a file"));
    if (header.is_sparse)
        write_sparse(fd.get(), name, header, reader, count);
    else if (header.size > 0)
        write_data(fd.get(), name, reader, count);
    set_metadata(folder, fd.get(), header);
    check(::futimens(fd.get(), times_of(header).data()), "set the times");
}

void EntryMaker::make_symlink(const FolderChain::Folder& folder, const std::string& name,
                              const TarHeader& header) {
    check(::symlinkat(header.link_target.c_str(), folder.fd.get(), name.c_str()), "make a symlink");
    if (has_other_owner(folder, header))
        check(::fchownat(folder.fd.get(), name.c_str(), header.uid, header.gid, AT_SYMLINK_NOFOLLOW),
              "change the owner");
    if (!header.xattrs.empty()) {
        UniqueFd fd = sys::open_at(folder.fd.get(), name, O_PATH | O_NOFOLLOW);
        for (const auto& [key, value] : header.xattrs)
            if (!key.starts_with("user.")) set_xattr(fd.get(), true, key, value);
    }
    check(::utimensat(folder.fd.get(), name.c_str(), times_of(header).data(), AT_SYMLINK_NOFOLLOW),
          "set the times");
}

void EntryMaker::make_node(const FolderChain::Folder& folder, const std::string& name,
                           const TarHeader& header) {
    dev_t device = header.type == TarType::fifo ? 0 : makedev(header.dev_major, header.dev_minor);
    mode_t mode = type_bits(header.type) | (header.mode & kPermissions);
    if (::mknodat(folder.fd.get(), name.c_str(), mode, device) < 0) {
        if (errno == EPERM && options_.user_xattrs) return;
        throw errno_error(errno, "make a device");
    }
    // Opening it for more than its path would open the device.
    UniqueFd fd = sys::open_at(folder.fd.get(), name, O_PATH | O_NOFOLLOW);
    if (has_other_owner(folder, header))
        check(::fchownat(fd.get(), "", header.uid, header.gid, AT_EMPTY_PATH), "change the owner");
    std::string path = fmt::format("/proc/self/fd/{}", fd.get());
    check(::chmod(path.c_str(), header.mode), "change the mode");
    for (const auto& [key, value] : header.xattrs)
        if (!key.starts_with("user.")) set_xattr(fd.get(), true, key, value);
    check(::utimensat(AT_FDCWD, path.c_str(), times_of(header).data(), 0), "set the times");
}

FolderChain::Folder EntryMaker::make_folder(const FolderChain::Folder& parent, const std::string& name,
                                            const TarHeader& header) {
    check(::mkdirat(parent.fd.get(), name.c_str(), header.mode & kPermissions), "make a folder");
    std::optional<FolderChain::Folder> folder = FolderChain::open(parent.fd.get(), name);
    if (!folder) throw errno_error(errno, "open the new folder");
    set_metadata(parent, folder->fd.get(), header);
    folder->gives_group = (header.mode & S_ISGID) != 0 || (options_.keep_owner && header.gid != gid_);
    folder->times = times_of(header);
    return std::move(*folder);
}

void EntryMaker::change_folder(FolderChain::Folder& folder, const TarHeader& header) {
    if (options_.keep_owner) check(::fchown(folder.fd.get(), header.uid, header.gid), "change the owner");
    check(::fchmod(folder.fd.get(), header.mode), "change the mode");
    for (const auto& [name, value] : header.xattrs) set_xattr(folder.fd.get(), false, name, value);
    folder.gives_group = (header.mode & S_ISGID) != 0 || header.gid != gid_;
    folder.times = times_of(header);
}

FolderChain::Folder EntryMaker::make_implied_folder(const FolderChain::Folder& parent,
                                                    const std::string& name) {
    TarHeader header;
    header.mode = 0755;
    header.uid = uid_;
    header.gid = gid_;
    FolderChain::Folder folder = make_folder(parent, name, header);
    folder.times.reset();
    return folder;
}

void EntryMaker::make_whiteout(const FolderChain::Folder& folder, const std::string& name) {
    check(::mknodat(folder.fd.get(), name.c_str(), S_IFCHR, makedev(0, 0)), "make a whiteout");
}

bool EntryMaker::is_whiteout(const FolderChain::Folder& folder, const std::string& name) {
    struct stat status{};
    return ::fstatat(folder.fd.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISCHR(status.st_mode) && status.st_rdev == makedev(0, 0);
}

void EntryMaker::make_opaque(int folder) {
    std::string name = fmt::format("{}opaque", options_.user_xattrs ? kUserOverlayXattrs : kOverlayXattrs);
    check(::fsetxattr(folder, name.c_str(), "y", 1, 0), [&] { return "set attribute " + name; });
}

}  // namespace berth::store
