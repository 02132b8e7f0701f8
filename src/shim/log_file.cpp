// SPDX-License-Identifier: Apache-2.0
#include "shim/log_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "shim/log_order.h"
#include "sys/file.h"

namespace berth::shim {

namespace {

std::string folder_of(const std::string& path) {
    size_t slash = path.find_last_of('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string& path) {
    std::string name = path.substr(path.find_last_of('/') + 1);
    if (name.empty() || name == "." || name == "..")
        throw make_error(ErrorKind::invalid_argument, "log path {:?}: not a file's name", path);
    return name;
}

UniqueFd open_folder(const LogOptions& options) {
    return sys::open_at(options.directory, folder_of(options.path), O_RDONLY | O_DIRECTORY);
}

// Readable too: the end is looked at when half a record has to be cut off.
constexpr int kOpenFlags = O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW;

}  // namespace

LogFile::LogFile(const LogOptions& options)
    : name_(name_of(options.path)),
      mode_(options.mode),
      max_size_(options.max_size),
      max_file_(std::max(options.max_file, 1U)),
      compress_(options.compress && options.max_file > 1),
      directory_(open_folder(options)),
      compressor_(directory_.get(), name_, max_file_) {
    ::unlinkat(directory_.get(), fmt::format(".{}.new", name_).c_str(), 0);
    compressor_.recover();
    UniqueFd file = sys::open_at(directory_.get(), name_, kOpenFlags, mode_);
    if (!adopt(std::move(file))) throw errno_error(errno, "read " + options.path);
    if (compress_) compressor_.start();
}

UniqueFd LogFile::open_named(const std::string& name, int flags) noexcept {
    return UniqueFd(
        sys::retry([&] { return ::openat(directory_.get(), name.c_str(), flags | O_CLOEXEC, mode_); }));
}

bool LogFile::adopt(UniqueFd file) noexcept {
    struct stat status{};
    if (::fstat(file.get(), &status) < 0) return false;
    file_ = std::move(file);
    last_write_ns_ = status.st_size == 0 ? 0 : status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec;
    no_steps_ = false;
    size_ = static_cast<uint64_t>(status.st_size);
    rotate_at_ = max_size_;
    torn_ = !cut_half_record();
    return true;
}

/// Looks for the last newline from the end and cuts off what follows it.
bool LogFile::cut_half_record() noexcept {
    struct stat status{};
    if (::fstat(file_.get(), &status) < 0) return false;
    if (!S_ISREG(status.st_mode)) return true;
    off_t end = status.st_size;
    char block[1024];
    while (end > 0) {
        off_t start = std::max<off_t>(0, end - static_cast<off_t>(sizeof block));
        ssize_t got =
            sys::retry([&] { return ::pread(file_.get(), block, static_cast<size_t>(end - start), start); });
        if (got != end - start) return false;
        size_t newline = std::string_view(block, static_cast<size_t>(got)).rfind('\n');
        if (newline != std::string_view::npos) {
            end = start + static_cast<off_t>(newline) + 1;
            break;
        }
        end = start;
    }
    if (end != status.st_size && ::ftruncate(file_.get(), end) < 0) return false;
    size_ = static_cast<uint64_t>(end);
    return true;
}

uint64_t LogFile::write(std::string_view records) noexcept {
    if (torn_) torn_ = !cut_half_record();
    if (torn_) last_error_ = EIO;
    size_t done = 0;
    while (done < records.size() && !torn_) {
        ssize_t put =
            sys::retry([&] { return ::write(file_.get(), records.data() + done, records.size() - done); });
        if (put <= 0) {
            last_error_ = put < 0 ? errno : ENOSPC;
            break;
        }
        done += static_cast<size_t>(put);
    }
    size_ += done;
    if (done == records.size()) return 0;
    // A full disk takes as much as fits: the record that was torn is taken back.
    size_t whole = done == 0 ? 0 : records.rfind('\n', done - 1) + 1;
    if (whole != done) torn_ = !cut_half_record();
    return static_cast<uint64_t>(
        std::count(records.begin() + static_cast<ptrdiff_t>(whole), records.end(), '\n'));
}

bool LogFile::note_step() noexcept {
    if (size_ == 0) return true;
    if (no_steps_) return false;
    uint64_t steps[kMaxLogSteps];
    ssize_t got = ::fgetxattr(file_.get(), kLogStepsAttribute, steps, sizeof steps);
    size_t count = got > 0 ? static_cast<size_t>(got) / sizeof steps[0] : 0;
    if (count < kMaxLogSteps) {
        steps[count++] = size_;
        if (::fsetxattr(file_.get(), kLogStepsAttribute, steps, count * sizeof steps[0], 0) == 0) return true;
    }
    no_steps_ = true;
    return false;
}

void LogFile::check_name() noexcept {
    struct stat named{}, open{};
    if (::fstat(file_.get(), &open) < 0) return;
    int result = ::fstatat(directory_.get(), name_.c_str(), &named, AT_SYMLINK_NOFOLLOW);
    bool other = result < 0 ? errno == ENOENT : named.st_ino != open.st_ino || named.st_dev != open.st_dev;
    if (other)
        reopen();
    else
        size_ = static_cast<uint64_t>(open.st_size);
}

void LogFile::reopen() noexcept {
    UniqueFd file = open_named(name_, kOpenFlags);
    if (!file) {
        last_error_ = errno;
        return;
    }
    (void)adopt(std::move(file));
}

void LogFile::postpone_rotation() noexcept {
    last_error_ = errno;
    rotate_at_ = size_ + std::max<uint64_t>(max_size_ / 8, uint64_t{64} * 1024);
}

bool LogFile::shift() noexcept {
    int dir = directory_.get();
    compressor_.forget(max_file_ - 1);
    for (unsigned index = max_file_ - 1; index > 0; --index) {
        for (const char* suffix : {"", ".gz"}) {
            std::string old_name = fmt::format("{}.{}{}", name_, index, suffix);
            if (index == max_file_ - 1) {
                if (::unlinkat(dir, old_name.c_str(), 0) < 0 && errno != ENOENT) return false;
                continue;
            }
            std::string new_name = fmt::format("{}.{}{}", name_, index + 1, suffix);
            if (::renameat(dir, old_name.c_str(), dir, new_name.c_str()) < 0 && errno != ENOENT) return false;
        }
    }
    return ::renameat(dir, name_.c_str(), dir, fmt::format("{}.1", name_).c_str()) == 0 || errno == ENOENT;
}

void LogFile::rotate() noexcept {
    if (max_file_ == 1) {
        if (::ftruncate(file_.get(), 0) < 0) {
            postpone_rotation();
            return;
        }
        ::fremovexattr(file_.get(), kLogStepsAttribute);
        no_steps_ = false;
        size_ = 0;
        rotate_at_ = max_size_;
        return;
    }
    // Made first: it is the step that a full disk or a quota refuses, and nothing has been moved yet.
    std::string temporary = fmt::format(".{}.new", name_);
    UniqueFd fresh = open_named(temporary, kOpenFlags | O_TRUNC);
    if (!fresh || !shift() ||
        ::renameat(directory_.get(), temporary.c_str(), directory_.get(), name_.c_str()) < 0) {
        postpone_rotation();
        return;
    }
    (void)adopt(std::move(fresh));
    if (compress_) compressor_.start();
}

}  // namespace berth::shim
