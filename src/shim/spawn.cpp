// SPDX-License-Identifier: Apache-2.0
// Starting a shim, and what to do when one was killed.
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "base/strings.h"
#include "runtime/container.h"
#include "shim/client.h"
#include "shim/run.h"
#include "sys/file.h"

namespace berth::shim {

namespace {

/// The child's part, with raw calls only. A failure's errno is sent instead of the shim's answer.
[[noreturn]] void exec_shim(const char* program, char* const* argv, int directory, int handshake) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    setsid();
    // Above their places first, so that neither is overwritten before it is used.
    int from_directory = fcntl(directory, F_DUPFD_CLOEXEC, kHandshakeFd + 1);
    int from_handshake = fcntl(handshake, F_DUPFD_CLOEXEC, kHandshakeFd + 1);
    if (from_directory >= 0 && from_handshake >= 0 && dup2(from_directory, kBundleFd) >= 0 &&
        dup2(from_handshake, kHandshakeFd) >= 0) {
        close_range(kHandshakeFd + 1, ~0U, CLOSE_RANGE_CLOEXEC);
        std::array<char*, 1> no_environment = {nullptr};
        execve(program, argv, no_environment.data());
    }
    int code = errno;
    (void)!write(from_handshake, &code, sizeof code);
    _exit(127);
}

/// Throws what the shim, or the child before it, sent instead of "ready".
json::Object take_handshake(const std::string& program, sys::Child& process, int socket) {
    std::optional<Message> message = receive_message(socket, true);
    int code = 0;
    if (message && message->text.size() == sizeof code) {
        message->text.copy(reinterpret_cast<char*>(&code), sizeof code);
        process.wait();
        throw errno_error(code, "exec " + program);
    }
    if (!message || message->text.empty())
        throw Error(ErrorKind::internal,
                    "berth-shim ended without an answer; its directory's shim.log may say more");
    json::Value answer = json::parse(message->text);
    json::Object& body = answer.as_object();
    if (const json::Value* error = body.if_contains("error"); error != nullptr && error->is_object()) {
        process.wait();
        throw_error(error->get_object());
    }
    return std::move(body);
}

}  // namespace

Spawned spawn(const std::string& program, int directory, const std::string& id) {
    std::array<int, 2> pair{};
    sys::check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()), "socketpair");
    UniqueFd ours(pair[0]);
    UniqueFd theirs(pair[1]);

    std::array<std::string, 3> words = {"berth-shim", "run", id};
    std::array<char*, 4> argv = {words[0].data(), words[1].data(), words[2].data(), nullptr};
    sys::Child process = sys::fork_child();
    if (!process) exec_shim(program.c_str(), argv.data(), directory, theirs.get());
    theirs.reset();
    json::Object ready = take_handshake(program, process, ours.get());
    return {std::move(process), Client(std::move(ours)), std::move(ready)};
}

std::optional<ExitRecord> recover(int directory) {
    try {
        Client::connect(directory);
        return std::nullopt;
    } catch (const Error&) {
        // No socket, or nobody behind it.
    }
    ShimOptions options = decode_options(sys::read_file_at(directory, "shim.json"));
    std::optional<ExitRecord> record = read_exit(directory);
    runtime::Settings settings;
    settings.root = options.runtime_root.empty() ? runtime::default_root() : options.runtime_root;
    settings.systemd_cgroup = options.systemd_cgroup;
    runtime::Container::remove_forced(settings, options.id);
    if (!record) {
        record.emplace();
        record->id = options.id;
        record->code = 255;
        record->time_ns = now_ns();
        record->time = rfc3339(record->time_ns);
        record->error = "the container's shim was killed";
        write_exit(directory, *record);
        sync_exit(directory);
    }
    unlinkat(directory, kSocketName, 0);
    return record;
}

}  // namespace berth::shim
