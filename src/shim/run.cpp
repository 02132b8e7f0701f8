// SPDX-License-Identifier: Apache-2.0
#include "shim/run.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "base/log.h"
#include "shim/protocol.h"
#include "shim/shim.h"
#include "sys/file.h"

namespace berth::shim {

namespace {

constexpr const char* kLogFile = "shim.log";

void on_signal(int) {}

/// Handlers that do nothing, rather than SIG_IGN: those end with an exec, so the container doesn't inherit
/// them.
void outlive_signals() {
    struct sigaction action{};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    for (int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2})
        sys::check(sigaction(number, &action, nullptr), "sigaction");
    sigset_t none;
    sigemptyset(&none);
    sys::check(sigprocmask(SIG_SETMASK, &none, nullptr), "sigprocmask");
}

/// Standard streams: nothing, but what is said about errors goes to shim.log.
void set_streams(int directory) {
    UniqueFd null = sys::open_file("/dev/null", O_RDWR);
    UniqueFd messages(openat(directory, kLogFile, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
    sys::check(dup2(null.get(), 0), "dup2");
    sys::check(dup2(null.get(), 1), "dup2");
    sys::check(dup2(messages ? messages.get() : null.get(), 2), "dup2");
    log::set_sink({2, log::Format::text, log::Level::warning});
}

void remove_empty_log(int directory) noexcept {
    struct stat file{};
    if (fstatat(directory, kLogFile, &file, AT_SYMLINK_NOFOLLOW) == 0 && file.st_size == 0)
        unlinkat(directory, kLogFile, 0);
}

/// All that can be done before there is a container.
void detach() {
    setsid();
    sys::check(chdir("/"), "chdir /");
    umask(0022);
    outlive_signals();
    sys::check(prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl(PR_SET_CHILD_SUBREAPER)");
    prctl(PR_SET_NAME, "berth-shim");
    close_range(kHandshakeFd + 1, ~0U, 0);
    // One arena, and large pieces go back to the kernel when they are freed.
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 64 * 1024);
    mallopt(M_TRIM_THRESHOLD, 64 * 1024);
    mallopt(M_TOP_PAD, 16 * 1024);
}

/// Process lists show the argument's memory.
void set_title(int argc, char** argv, std::string_view id) {
    if (argc > 1) std::strncpy(argv[1], std::string(id).c_str(), std::strlen(argv[1]));
}

void set_oom_score_adj(int value) {
    try {
        sys::write_kernel_file("/proc/self/oom_score_adj", fmt::format("{}", value));
    } catch (const Error& error) {
        log::warning("{}", error.what());
    }
}

void check_handshake() {
    int type = 0;
    socklen_t size = sizeof type;
    if (getsockopt(kHandshakeFd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET)
        throw make_error(ErrorKind::invalid_argument, "descriptor {} is no SOCK_SEQPACKET socket",
                         kHandshakeFd);
    sys::check(fcntl(kHandshakeFd, F_SETFD, FD_CLOEXEC), "fcntl");
}

struct Assignment {
    std::string id;
    UniqueFd directory;
    bool subscribe = false;
};

/// Nothing: the spawner went away.
std::optional<Assignment> await_assignment(int handshake) {
    std::optional<Message> message = receive_message(handshake, true);
    if (!message || message->text.empty()) return std::nullopt;
    json::Value body = json::parse(message->text);
    struct stat info{};
    if (message->fds.empty() || fstat(message->fds.front().get(), &info) != 0 || !S_ISDIR(info.st_mode))
        throw Error(ErrorKind::invalid_argument, "no descriptor of the container's directory was sent");
    const json::Object& members = body.as_object();
    return Assignment{std::string(members.at("run").as_string()), std::move(message->fds.front()),
                      members.at("subscribe").as_bool()};
}

void run(const Assignment& assignment, UniqueFd handshake) {
    Loop loop;
    std::optional<Shim> shim;
    try {
        ShimOptions options = decode_options(sys::read_file_at(assignment.directory.get(), "shim.json"));
        std::optional<int32_t> oom_score_adj = options.oom_score_adj;
        shim.emplace(loop, assignment.directory.duplicate(), std::move(options));
        shim->create();
        // After the container's init was made: that would inherit it.
        if (oom_score_adj) set_oom_score_adj(*oom_score_adj);
    } catch (const Error& error) {
        json::Object wire = encode_error(error);
        if (std::optional<int> code = runtime::exec_exit_code(error)) wire["exit_code"] = *code;
        send_message(handshake.get(), json::print(json::Object{{"error", std::move(wire)}}), {}, true);
        throw;
    }
    shim->hand_over(std::move(handshake), assignment.subscribe);
    loop.run();
}

}  // namespace

int run_main(int argc, char** argv) {
    std::optional<Assignment> assignment;
    UniqueFd handshake;
    try {
        check_handshake();
        handshake.reset(kHandshakeFd);
        detach();
        assignment = await_assignment(kHandshakeFd);
    } catch (...) {
        (void)std::fprintf(stderr, "berth-shim run: %s\n", current_exception_message().c_str());
        return 1;
    }
    if (!assignment) return 0;
    int status = 0;
    try {
        set_title(argc, argv, assignment->id);
        set_streams(assignment->directory.get());
        run(*assignment, std::move(handshake));
    } catch (...) {
        log::write(log::Level::error, current_exception_message());
        status = 1;
    }
    remove_empty_log(assignment->directory.get());
    return status;
}

}  // namespace berth::shim
