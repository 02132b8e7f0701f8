// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>

#include "engine/files/archive.h"
#include "engine/files/beneath.h"
#include "engine/files/found_path.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

constexpr int64_t kNanoseconds = 1'000'000'000;

/// Go's path/filepath.Base.
std::string base_name(std::string_view path) {
    if (path.empty()) return ".";
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    if (path == "/") return "/";
    return std::string(path.substr(path.rfind('/') + 1));
}

}  // namespace

ClientPath::ClientPath(std::string_view text) : clean(sys::clean_path(text)) {
    bool is_dot = base_name(text) == ".";
    is_folder = is_dot || text.ends_with('/') || clean == "/";
    base = is_dot ? "." : base_name(clean);
}

void throw_no_file(std::string_view path, std::string_view container) {
    throw make_error(ErrorKind::not_found, "Could not find the file {} in container {}", path, container);
}

FoundPath find_path(int root, const ClientPath& path, std::string_view text, std::string_view container) {
    int kind = path.is_folder ? O_DIRECTORY : O_NOFOLLOW;
    std::optional<UniqueFd> fd = try_open_in_root(root, path.clean, O_PATH | kind);
    if (!fd) {
        if (errno == ENOENT) throw_no_file(text, container);
        throw make_error(ErrorKind::invalid_argument, "lstat {}: {}", text, errno_text(errno));
    }
    FoundPath found{.fd = std::move(*fd)};
    if (is_kernel_interface(found.fd.get())) throw_no_file(text, container);
    sys::check(::fstat(found.fd.get(), &found.status), [&] { return fmt::format("stat {}", text); });
    return found;
}

/// https://pkg.go.dev/io/fs#FileMode: bits from the top are dir, append, exclusive, temporary, symlink,
/// device, named pipe, socket, setuid, setgid, char device, sticky, irregular.
uint32_t go_file_mode(mode_t mode) {
    auto bit = [](int from_top) { return uint32_t{1} << (31 - from_top); };
    uint32_t result = mode & 0777;
    switch (mode & S_IFMT) {
        case S_IFDIR: result |= bit(0); break;
        case S_IFLNK: result |= bit(4); break;
        case S_IFBLK: result |= bit(5); break;
        case S_IFCHR: result |= bit(5) | bit(10); break;
        case S_IFIFO: result |= bit(6); break;
        case S_IFSOCK: result |= bit(7); break;
        default: break;
    }
    if ((mode & S_ISUID) != 0) result |= bit(8);
    if ((mode & S_ISGID) != 0) result |= bit(9);
    if ((mode & S_ISVTX) != 0) result |= bit(11);
    return result;
}

FileStat file_stat(int root, const ClientPath& path, const FoundPath& found) {
    FileStat stat{.name = path.base,
                  .size = found.status.st_size,
                  .mode = go_file_mode(found.status.st_mode),
                  .mtime_ns = found.status.st_mtim.tv_sec * kNanoseconds + found.status.st_mtim.tv_nsec};
    if (S_ISLNK(found.status.st_mode)) stat.link_target = resolve_in_root(root, path.clean);
    return stat;
}

FileStat stat_path(const RootView& view, std::string_view path, std::string_view container) {
    ClientPath wanted(path);
    return file_stat(view.root(), wanted, find_path(view.root(), wanted, path, container));
}

}  // namespace berth::engine
