// SPDX-License-Identifier: Apache-2.0
// Starting a shim, and what to do when one was killed.
#include <fcntl.h>
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

/// What posix_spawn does in the child. It shares the parent's memory until it executes (CLONE_VFORK): a
/// daemon's size costs nothing.
class SpawnPlan {
  public:
    /// Both are borrowed, and above the places where the shim expects them.
    SpawnPlan(int directory, int handshake) {
        check_spawn(posix_spawn_file_actions_init(&actions_), "posix_spawn");
        check_spawn(posix_spawnattr_init(&attributes_), "posix_spawn");
        check_spawn(posix_spawn_file_actions_adddup2(&actions_, directory, kBundleFd), "posix_spawn");
        check_spawn(posix_spawn_file_actions_adddup2(&actions_, handshake, kHandshakeFd), "posix_spawn");
        check_spawn(posix_spawn_file_actions_addclosefrom_np(&actions_, kHandshakeFd + 1), "posix_spawn");
        sigset_t none;
        sigemptyset(&none);
        posix_spawnattr_setsigmask(&attributes_, &none);
        posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
    }
    SpawnPlan(const SpawnPlan&) = delete;
    SpawnPlan& operator=(const SpawnPlan&) = delete;
    ~SpawnPlan() {
        posix_spawn_file_actions_destroy(&actions_);
        posix_spawnattr_destroy(&attributes_);
    }

    sys::Child run(const std::string& program, char* const* argv) const {
        std::array<char*, 1> no_environment = {nullptr};
        pid_t pid = -1;
        check_spawn(posix_spawn(&pid, program.c_str(), &actions_, &attributes_, argv, no_environment.data()),
                    "exec " + program);
        // Not reaped yet, so the number is still its own.
        std::optional<UniqueFd> pidfd = sys::open_pidfd(pid);
        if (!pidfd) throw make_error(ErrorKind::internal, "pidfd_open of {}'s process failed", program);
        return {pid, std::move(*pidfd)};
    }

  private:
    posix_spawn_file_actions_t actions_;
    posix_spawnattr_t attributes_;
};

UniqueFd above_places(int fd) {
    return UniqueFd(sys::check(fcntl(fd, F_DUPFD_CLOEXEC, kHandshakeFd + 1), "duplicate a descriptor"));
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

Spawned spawn(const std::string& program, int directory, const std::string& id) {
    std::array<int, 2> pair{};
    sys::check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()), "socketpair");
    UniqueFd ours(pair[0]);
    UniqueFd theirs(pair[1]);

    std::array<std::string, 3> words = {"berth-shim", "run", id};
    std::array<char*, 4> argv = {words[0].data(), words[1].data(), words[2].data(), nullptr};
    UniqueFd bundle = above_places(directory);
    theirs = above_places(theirs.get());
    sys::Child process = SpawnPlan(bundle.get(), theirs.get()).run(program, argv.data());
    theirs.reset();
    json::Object ready = take_handshake(process, ours.get());
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
