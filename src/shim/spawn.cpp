// SPDX-License-Identifier: Apache-2.0
// Starting a shim, and what to do when one was killed.
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "base/strings.h"
#include "runtime/container.h"
#include "shim/client.h"
#include "shim/run.h"
#include "sys/file.h"

namespace berth::shim {

namespace {

void check_spawn(int code, std::string_view what) {
    if (code != 0) throw errno_error(code, what);
}

/// The shim writes the container's id over it.
constexpr size_t kTitleLength = 64;

/// posix_spawn's child shares the parent's memory until it executes (CLONE_VFORK): a daemon's size costs
/// nothing. `handshake` must not be kHandshakeFd.
sys::Child execute(const std::string& program, int handshake) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    check_spawn(posix_spawn_file_actions_init(&actions), "posix_spawn");
    check_spawn(posix_spawnattr_init(&attributes), "posix_spawn");
    check_spawn(posix_spawn_file_actions_adddup2(&actions, handshake, kHandshakeFd), "posix_spawn");
    check_spawn(posix_spawn_file_actions_addclosefrom_np(&actions, kHandshakeFd + 1), "posix_spawn");
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);

    std::array<std::string, 3> words = {"berth-shim", "run", std::string(kTitleLength, '-')};
    std::array<char*, 4> argv = {words[0].data(), words[1].data(), words[2].data(), nullptr};
    std::array<char*, 1> no_environment = {nullptr};
    pid_t pid = -1;
    int error = posix_spawn(&pid, program.c_str(), &actions, &attributes, argv.data(), no_environment.data());
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    check_spawn(error, "exec " + program);
    // Not reaped yet, so the number is still its own.
    std::optional<UniqueFd> pidfd = sys::open_pidfd(pid);
    if (!pidfd) throw make_error(ErrorKind::internal, "pidfd_open of {}'s process failed", program);
    return {pid, std::move(*pidfd)};
}

/// Throws what the shim sent instead of "ready".
json::Object take_handshake(sys::Child& process, int socket) {
    std::optional<Message> message = receive_message(socket, true);
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

WaitingShim WaitingShim::start(const std::string& program) {
    std::array<int, 2> pair{};
    sys::check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()), "socketpair");
    UniqueFd ours(pair[0]);
    UniqueFd theirs(pair[1]);
    if (theirs.get() == kHandshakeFd) theirs = theirs.duplicate();
    sys::Child process = execute(program, theirs.get());
    return {std::move(process), std::move(ours)};
}

bool WaitingShim::is_alive() const {
    pollfd ended{process_.pidfd(), POLLIN, 0};
    return sys::retry([&] { return poll(&ended, 1, 0); }) == 0;
}

Spawned WaitingShim::run(int directory, const std::string& id, bool subscribed) && {
    std::string assignment = json::print(json::Object{{"run", id}, {"subscribe", subscribed}});
    send_message(socket_.get(), assignment, {directory}, true);
    json::Object ready = take_handshake(process_, socket_.get());
    return {std::move(process_), Client(std::move(socket_)), std::move(ready)};
}

Spawned spawn(const std::string& program, int directory, const std::string& id) {
    return WaitingShim::start(program).run(directory, id, false);
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
