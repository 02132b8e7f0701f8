// SPDX-License-Identifier: Apache-2.0
#include "shim/log_compressor.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "shim/log_local.h"
#include "shim/log_order.h"
#include "shim/log_record.h"
#include "sys/file.h"

namespace berth::shim {

namespace {

constexpr int kInput = 0;
constexpr int kOutput = 1;
constexpr int kFolder = 2;

// linux/ioprio.h can't be read as C++ (it has a parameter "class").
constexpr int kIoPriorityOfProcess = 1;
constexpr int kIoPriorityIdle = 3 << 13;

std::string_view json_time(std::string_view tail) {
    constexpr std::string_view kKey = R"("time":")";
    size_t from = tail.rfind(kKey);
    if (from == std::string_view::npos) return {};
    tail.remove_prefix(from + kKey.size());
    return tail.substr(0, tail.find('"'));
}

std::string_view local_time(std::string_view tail, RecordTime& clock) {
    tail.remove_suffix(1);
    LocalHead head;
    if (!decode_local_head(tail.substr(tail.rfind('\n') + 1), head)) return {};
    return clock.format(head.time_ns);
}

/// Docker's own mark in the gzip header, by which its reader skips whole files: {"lastTime":"…"}, taken from
/// the last record. Returns its length, 0 if there is no time, or the file isn't in the order of time.
size_t read_last_time(char* extra, size_t room) {
    static char block[2 * kMaxRecordText];
    if (::fgetxattr(kInput, kLogStepsAttribute, nullptr, 0) > 0) return 0;
    char first = 0;
    if (::pread(kInput, &first, 1, 0) != 1) return 0;
    off_t end = ::lseek(kInput, 0, SEEK_END);
    off_t start = end > static_cast<off_t>(sizeof block) ? end - static_cast<off_t>(sizeof block) : 0;
    ssize_t got = ::pread(kInput, block, sizeof block, start);
    ::lseek(kInput, 0, SEEK_SET);
    if (got <= 0) return 0;
    std::string_view tail(block, static_cast<size_t>(got));
    RecordTime clock;
    std::string_view time = first == '{' ? json_time(tail) : local_time(tail, clock);
    if (time.empty()) return 0;
    int length =
        std::snprintf(extra, room, R"({"lastTime":"%.*s"})", static_cast<int>(time.size()), time.data());
    return length > 0 && static_cast<size_t>(length) < room ? static_cast<size_t>(length) : 0;
}

bool write_output(const unsigned char* data, size_t size) {
    while (size > 0) {
        ssize_t put = sys::retry([&] { return ::write(kOutput, data, size); });
        if (put <= 0) return false;
        data += put;
        size -= static_cast<size_t>(put);
    }
    return true;
}

bool deflate_file() {
    static unsigned char input[32 * 1024];
    static unsigned char output[32 * 1024];
    char extra[128];
    z_stream stream{};
    constexpr int kGzip = 16;
    if (::deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + kGzip, 8,
                       Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    gz_header header{};
    header.os = 3;
    header.extra_len = static_cast<uInt>(read_last_time(extra, sizeof extra));
    header.extra = reinterpret_cast<Bytef*>(extra);
    if (header.extra_len == 0) header.extra = nullptr;
    ::deflateSetHeader(&stream, &header);
    int result = Z_OK;
    while (result != Z_STREAM_END) {
        ssize_t got = sys::retry([&] { return ::read(kInput, input, sizeof input); });
        if (got < 0) return false;
        stream.next_in = input;
        stream.avail_in = static_cast<uInt>(got);
        do {
            stream.next_out = output;
            stream.avail_out = sizeof output;
            result = ::deflate(&stream, got == 0 ? Z_FINISH : Z_NO_FLUSH);
            if (result == Z_STREAM_ERROR) return false;
            if (!write_output(output, sizeof output - stream.avail_out)) return false;
        } while (stream.avail_out == 0);
    }
    return true;
}

/// Leaves open nothing but the three descriptors: the shim's pipes and sockets must not live on here.
bool keep_only(int input, int output, int folder) {
    int sources[] = {input, output, folder};
    int copies[3];
    for (int i = 0; i < 3; ++i)
        if ((copies[i] = ::fcntl(sources[i], F_DUPFD, 3)) < 0) return false;
    for (int i = 0; i < 3; ++i)
        if (::dup2(copies[i], i) < 0) return false;
    return ::close_range(3, ~0U, 0) == 0;
}

[[noreturn]] void run_child(pid_t parent, int input, int output, int folder, const char* temporary,
                            const char* complete) {
    // The name of the temporary file is free for the next attempt once the parent is gone.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::setpriority(PRIO_PROCESS, 0, 19);
    ::syscall(SYS_ioprio_set, kIoPriorityOfProcess, 0, kIoPriorityIdle);
    // Synced: after a power cut an empty file must not stand in for the one that its completion let go.
    bool good = keep_only(input, output, folder) && deflate_file() && ::fsync(kOutput) == 0 &&
                ::renameat(kFolder, temporary, kFolder, complete) == 0;
    ::_exit(good ? 0 : 1);
}

}  // namespace

LogCompressor::LogCompressor(int directory, std::string name, unsigned max_file)
    : directory_(directory), name_(std::move(name)), max_file_(max_file) {}

std::string LogCompressor::rotated(unsigned index, const char* suffix) const {
    return fmt::format("{}.{}{}", name_, index, suffix);
}

std::string LogCompressor::hidden(ino_t inode, const char* suffix) const {
    return fmt::format(".{}.{}{}", name_, inode, suffix);
}

/// 0: no rotated, uncompressed file has that inode.
unsigned LogCompressor::index_of(ino_t inode) const noexcept {
    for (unsigned index = 1; index < max_file_; ++index) {
        struct stat status{};
        if (::fstatat(directory_, rotated(index).c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            status.st_ino == inode)
            return index;
    }
    return 0;
}

/// Puts a complete .gz in the place of its source. False if there is none.
bool LogCompressor::finish(ino_t inode) noexcept {
    ::unlinkat(directory_, hidden(inode, ".tmp").c_str(), 0);
    std::string complete = hidden(inode, ".gz");
    unsigned index = index_of(inode);
    if (index == 0) {
        ::unlinkat(directory_, complete.c_str(), 0);
        return false;
    }
    if (::renameat(directory_, complete.c_str(), directory_, rotated(index, ".gz").c_str()) < 0) return false;
    return ::unlinkat(directory_, rotated(index).c_str(), 0) == 0;
}

void LogCompressor::recover() noexcept {
    std::string prefix = fmt::format(".{}.", name_);
    std::vector<std::string> names;
    try {
        names = sys::list_dir(directory_);
    } catch (...) {
        return;  // The log itself can do without.
    }
    for (const std::string& entry : names) {
        if (!entry.starts_with(prefix)) continue;
        std::string_view rest = std::string_view(entry).substr(prefix.size());
        bool complete = rest.ends_with(".gz");
        if (!complete && !rest.ends_with(".tmp")) continue;
        rest = rest.substr(0, rest.find('.'));
        if (std::optional<ino_t> inode = parse_number<ino_t>(rest)) {
            if (complete)
                finish(*inode);
            else
                ::unlinkat(directory_, entry.c_str(), 0);
        }
    }
    for (unsigned index = 1; index < max_file_; ++index)
        if (::faccessat(directory_, rotated(index).c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            ::unlinkat(directory_, rotated(index, ".gz").c_str(), 0);
}

void LogCompressor::start() noexcept {
    if (child_ > 0) {
        // Somebody else may have reaped it without telling.
        if (::waitpid(child_, nullptr, WNOHANG) == 0) return;
        child_ = -1;
        finish(inode_);
    }
    for (unsigned index = 1; index < max_file_; ++index) {
        UniqueFd input(::openat(directory_, rotated(index).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
        struct stat status{};
        if (!input || ::fstat(input.get(), &status) < 0 || !S_ISREG(status.st_mode)) continue;
        std::string temporary = hidden(status.st_ino, ".tmp");
        std::string complete = hidden(status.st_ino, ".gz");
        UniqueFd output(::openat(directory_, temporary.c_str(),
                                 O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                                 status.st_mode & 0777));
        if (!output) return;
        pid_t parent = ::getpid();
        pid_t child = ::fork();
        if (child == 0)
            run_child(parent, input.get(), output.get(), directory_, temporary.c_str(), complete.c_str());
        if (child < 0) {
            ::unlinkat(directory_, temporary.c_str(), 0);
            return;
        }
        child_ = child;
        inode_ = status.st_ino;
        return;
    }
}

void LogCompressor::forget(unsigned index) noexcept {
    if (child_ > 0 && index_of(inode_) == index) stop();
}

bool LogCompressor::child_exited(pid_t pid) noexcept {
    if (child_ <= 0 || pid != child_) return false;
    child_ = -1;
    if (finish(inode_)) start();
    return true;
}

void LogCompressor::stop() noexcept {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    (void)sys::retry([&] { return ::waitpid(child_, nullptr, 0); });
    child_ = -1;
    ::unlinkat(directory_, hidden(inode_, ".tmp").c_str(), 0);
    ::unlinkat(directory_, hidden(inode_, ".gz").c_str(), 0);
}

void LogCompressor::drain() noexcept {
    while (child_ > 0) {
        pid_t pid = child_;
        (void)sys::retry([&] { return ::waitpid(pid, nullptr, 0); });
        child_exited(pid);
    }
}

}  // namespace berth::shim
