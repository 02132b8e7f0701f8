// SPDX-License-Identifier: Apache-2.0
#include "daemon_process.h"

#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "sys/file.h"
#include "sys/process.h"

namespace berth::app {

namespace {

/// Long enough for a child that is between clone and exec, and holds the lock of a daemon that was killed.
constexpr std::chrono::milliseconds kLockWait{2000};
constexpr const char* kLockName = "daemon.lock";
constexpr int kTrimThreshold = 256 * 1024;

/// Memory goes back to the system soon, and threads share two arenas instead of having 64 MB of addresses and
/// a heap of their own each.
void set_up_malloc() {
    ::mallopt(M_ARENA_MAX, 2);
    ::mallopt(M_TRIM_THRESHOLD, kTrimThreshold);
    ::mallopt(M_MMAP_THRESHOLD, kTrimThreshold);
}

/// As many files as the kernel gives anyone: each client and each running container holds some.
void raise_limits() {
    std::optional<std::string> most = sys::try_read_file("/proc/sys/fs/nr_open");
    rlim_t wanted = parse_number<rlim_t>(trim(most.value_or("1048576"))).value_or(1048576);
    rlimit limit{wanted, wanted};
    if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return;
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) log::debug("RLIMIT_NOFILE: {}", errno_text(errno));
}

void set_proxies(const engine::DaemonConfig& config) {
    auto set = [](const char* upper, const char* lower, const std::string& value) {
        if (value.empty()) return;
        ::setenv(upper, value.c_str(), 1);
        ::setenv(lower, value.c_str(), 1);
    };
    set("HTTP_PROXY", "http_proxy", config.http_proxy);
    set("HTTPS_PROXY", "https_proxy", config.https_proxy);
    set("NO_PROXY", "no_proxy", config.no_proxy);
}

store::LockFile lock_folder(const std::string& path, mode_t mode, std::string_view what) {
    bool is_new = !sys::exists(path);
    sys::make_dirs(path);
    if (is_new) sys::check(::chmod(path.c_str(), mode), [&] { return "chmod " + path; });
    UniqueFd folder = sys::open_file(path, O_RDONLY | O_DIRECTORY);
    std::optional<store::LockFile> lock = store::LockFile::acquire(folder.get(), kLockName, kLockWait);
    if (!lock) {
        std::string owner(trim(sys::try_read_file(path + '/' + kLockName).value_or("")));
        throw make_error(ErrorKind::conflict, "failed to start daemon: {} {} is in use by another daemon{}",
                         what, path, owner.empty() ? "" : fmt::format(" (process {})", owner));
    }
    std::string pid = fmt::format("{}\n", ::getpid());
    sys::check(::ftruncate(lock->fd(), 0), "truncate the lock file");
    if (::pwrite(lock->fd(), pid.data(), pid.size(), 0) < 0) log::debug("{}: {}", path, errno_text(errno));
    return std::move(*lock);
}

/// The parts of the program's file that are mapped read-only; what was relocated lies in writable segments.
int drop_code(dl_phdr_info* object, size_t, void*) {
    for (int i = 0; i < object->dlpi_phnum; ++i) {
        const auto& segment = object->dlpi_phdr[i];
        if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
        auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
        uintptr_t start = (object->dlpi_addr + segment.p_vaddr + page - 1) & ~(page - 1);
        uintptr_t end = (object->dlpi_addr + segment.p_vaddr + segment.p_memsz) & ~(page - 1);
        if (end > start) ::madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED);
    }
    return 1;  // the first object is the program itself, the others are shared with everybody
}

}  // namespace

void release_idle_memory() {
    ::malloc_trim(0);
    ::dl_iterate_phdr(drop_code, nullptr);
}

void set_log_level(const engine::DaemonConfig& config) {
    log::Sink sink = log::sink();
    sink.format = config.log_format == "json" ? log::Format::json : log::Format::text;
    const std::string& level = config.log_level;
    if (config.debug || level == "debug" || level == "trace")
        sink.level = log::Level::debug;
    else if (level == "info")
        sink.level = log::Level::info;
    else if (level == "warn" || level == "warning")
        sink.level = log::Level::warning;
    else
        sink.level = log::Level::error;
    log::set_sink(sink);
}

void set_up_process(const engine::DaemonConfig& config) {
    set_log_level(config);
    set_up_malloc();
    ::umask(022);
    ::signal(SIGPIPE, SIG_IGN);
    raise_limits();
    set_proxies(config);
    if (config.oom_score_adjust != 0)
        sys::write_kernel_file("/proc/self/oom_score_adj", fmt::format("{}", config.oom_score_adjust));
}

DaemonRoots::DaemonRoots(const engine::DaemonConfig& config) {
    locks_.push_back(lock_folder(config.data_root, 0710, "data root"));
    if (config.exec_root != config.data_root)
        locks_.push_back(lock_folder(config.exec_root, 0700, "exec root"));
}

std::optional<pid_t> PidFile::running(const std::string& path) {
    std::optional<std::string> text = sys::try_read_file(path);
    if (!text) return std::nullopt;
    std::optional<pid_t> pid = parse_number<pid_t>(trim(*text));
    if (!pid || *pid <= 0 || *pid == ::getpid()) return std::nullopt;
    std::optional<sys::ProcessStat> stat = sys::process_stat(*pid);
    if (!stat || stat->state == 'Z' || stat->state == 'X') return std::nullopt;
    // A pid that another program has by now.
    std::optional<std::string> name = sys::try_read_file(fmt::format("/proc/{}/comm", *pid));
    std::optional<std::string> own = sys::try_read_file("/proc/self/comm");
    if (!name || name != own) return std::nullopt;
    return pid;
}

PidFile::PidFile(std::string path) : path_(std::move(path)) {
    if (path_.empty()) return;
    if (std::optional<pid_t> pid = running(path_))
        throw make_error(
            ErrorKind::conflict,
            "failed to start daemon, ensure docker is not running or delete {}: process with PID {} "
            "is still running",
            path_, *pid);
    std::string folder = path_.substr(0, path_.rfind('/'));
    sys::make_dirs(folder.empty() ? "/" : folder);
    UniqueFd fd = sys::open_file(folder.empty() ? "/" : folder, O_RDONLY | O_DIRECTORY);
    sys::write_file_atomic_at(fd.get(), path_.substr(path_.rfind('/') + 1), fmt::format("{}", ::getpid()),
                              0644);
}

PidFile::~PidFile() {
    if (path_.empty()) return;
    std::optional<std::string> text = sys::try_read_file(path_);
    if (text && parse_number<pid_t>(trim(*text)) == ::getpid()) ::unlink(path_.c_str());
}

}  // namespace berth::app
