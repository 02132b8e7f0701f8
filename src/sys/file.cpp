// SPDX-License-Identifier: Apache-2.0
#include "sys/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>

#include "base/strings.h"

namespace berth::sys {

namespace {

bool is_absent(int code) {
    return code == ENOENT || code == ENOTDIR;
}

}  // namespace

UniqueFd open_at(int dir, const std::string& path, int flags, mode_t mode) {
    int fd = retry([&] { return ::openat(dir, path.c_str(), flags | O_CLOEXEC, mode); });
    return UniqueFd(check(fd, [&] { return "open " + path; }));
}

UniqueFd open_file(const std::string& path, int flags, mode_t mode) {
    return open_at(AT_FDCWD, path, flags, mode);
}

std::optional<UniqueFd> try_open_at(int dir, const std::string& path, int flags, mode_t mode) {
    int fd = retry([&] { return ::openat(dir, path.c_str(), flags | O_CLOEXEC, mode); });
    if (fd < 0 && is_absent(errno)) return std::nullopt;
    return UniqueFd(check(fd, [&] { return "open " + path; }));
}

std::string read_all(int fd, std::string_view name) {
    std::string data;
    size_t filled = 0;
    while (true) {
        if (data.size() - filled < 1024) data.resize(data.size() < 4096 ? 4096 : data.size() * 2);
        ssize_t got = retry([&] { return ::read(fd, data.data() + filled, data.size() - filled); });
        check(got, [&] { return fmt::format("read {}", name); });
        if (got == 0) break;
        filled += static_cast<size_t>(got);
    }
    data.resize(filled);
    return data;
}

std::string read_file_at(int dir, const std::string& path) {
    return read_all(open_at(dir, path, O_RDONLY).get(), path);
}

std::string read_file(const std::string& path) {
    return read_file_at(AT_FDCWD, path);
}

std::optional<std::string> try_read_file_at(int dir, const std::string& path) {
    std::optional<UniqueFd> fd = try_open_at(dir, path, O_RDONLY);
    if (!fd) return std::nullopt;
    return read_all(fd->get(), path);
}

std::optional<std::string> try_read_file(const std::string& path) {
    return try_read_file_at(AT_FDCWD, path);
}

void write_all(int fd, std::string_view data, std::string_view name) {
    while (!data.empty()) {
        ssize_t done = retry([&] { return ::write(fd, data.data(), data.size()); });
        check(done, [&] { return fmt::format("write {}", name); });
        data.remove_prefix(static_cast<size_t>(done));
    }
}

void write_kernel_file_at(int dir, const std::string& path, std::string_view data) {
    UniqueFd fd = open_at(dir, path, O_WRONLY);
    ssize_t done = retry([&] { return ::write(fd.get(), data.data(), data.size()); });
    check(done, [&] { return fmt::format("write {} to {}", quote(data), path); });
}

void write_kernel_file(const std::string& path, std::string_view data) {
    write_kernel_file_at(AT_FDCWD, path, data);
}

void write_file_atomic_at(int dir, const std::string& name, std::string_view data, mode_t mode) {
    std::string temporary = fmt::format(".{}.{}", name, random_hex(6));
    UniqueFd fd = open_at(dir, temporary, O_WRONLY | O_CREAT | O_EXCL, mode);
    try {
        write_all(fd.get(), data, name);
        check(::renameat(dir, temporary.c_str(), dir, name.c_str()), [&] { return "rename to " + name; });
    } catch (...) {
        ::unlinkat(dir, temporary.c_str(), 0);
        throw;
    }
}

void make_dirs(const std::string& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return;
    if (errno == ENOENT) {
        size_t slash = path.find_last_of('/');
        if (slash != std::string::npos && slash > 0) {
            make_dirs(path.substr(0, slash), mode);
            if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return;
        }
    }
    throw errno_error(errno, "mkdir " + path);
}

std::vector<std::string> list_dir(int dir) {
    UniqueFd copy = open_at(dir, ".", O_RDONLY | O_DIRECTORY);
    std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy.get()), ::closedir);
    if (!stream) throw errno_error(errno, "fdopendir");
    (void)copy.release();
    std::vector<std::string> names;
    while (dirent* entry = ::readdir(stream.get())) {
        std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
    }
    return names;
}

namespace {

/// As many descriptors are open at once, however deep a tree is: what lies deeper is moved up first.
constexpr int kMaxOpenFolders = 32;

/// Whether the entry is gone; false: a folder that is not empty.
bool remove_entry(int dir, const std::string& name) {
    if (::unlinkat(dir, name.c_str(), 0) == 0 || is_absent(errno)) return true;
    if (errno != EISDIR && errno != EPERM) throw errno_error(errno, "unlink " + name);
    if (::unlinkat(dir, name.c_str(), AT_REMOVEDIR) == 0 || is_absent(errno)) return true;
    if (errno != ENOTEMPTY && errno != EEXIST) throw errno_error(errno, "rmdir " + name);
    return false;
}

void remove_folder(int top, int dir, const std::string& name, int depth) {
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS;
    UniqueFd fd(static_cast<int>(
        check(::syscall(SYS_openat2, dir, name.c_str(), &how, sizeof how), [&] { return "open " + name; })));
    if (top < 0) top = fd.get();
    do {
        for (const std::string& entry : list_dir(fd.get())) {
            if (remove_entry(fd.get(), entry)) continue;
            if (depth < kMaxOpenFolders)
                remove_folder(top, fd.get(), entry, depth + 1);
            else
                check(::renameat(fd.get(), entry.c_str(), top, random_hex(16).c_str()),
                      [&] { return "rename " + entry; });
        }
        // The topmost folder may have got more meanwhile.
    } while (!remove_entry(dir, name));
}

}  // namespace

void remove_tree_at(int dir, const std::string& name) {
    if (remove_entry(dir, name)) return;
    // The way to it may cross mounts and symlinks (it is trusted); from the name itself on nothing may.
    if (size_t slash = name.find_last_of('/'); slash != std::string::npos && slash + 1 < name.size()) {
        UniqueFd parent = open_at(dir, name.substr(0, slash + 1), O_RDONLY | O_DIRECTORY);
        return remove_tree_at(parent.get(), name.substr(slash + 1));
    }
    remove_folder(-1, dir, name, 0);
}

bool exists(const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0;
}

std::string current_dir() {
    std::unique_ptr<char, void (*)(void*)> path(::getcwd(nullptr, 0), ::free);
    if (!path) throw errno_error(errno, "getcwd");
    return path.get();
}

std::string clean_path(std::string_view path, std::string_view base) {
    std::string whole = path.starts_with('/') ? std::string(path) : fmt::format("{}/{}", base, path);
    std::vector<std::string_view> parts;
    for (std::string_view part : split(whole, '/')) {
        if (part.empty() || part == ".") continue;
        if (part != "..")
            parts.push_back(part);
        else if (!parts.empty())
            parts.pop_back();
    }
    std::string result;
    for (std::string_view part : parts) (result += '/') += part;
    return result.empty() ? "/" : result;
}

UniqueFd memory_file(const char* name, std::string_view data) {
    UniqueFd fd(check(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd_create"));
    write_all(fd.get(), data, name);
    check(::lseek(fd.get(), 0, SEEK_SET), "lseek");
    return fd;
}

}  // namespace berth::sys
