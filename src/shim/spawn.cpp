// SPDX-License-Identifier: Apache-2.0
// Starting a shim, and what to do when one was killed.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/strings.h"
#include "runtime/container.h"
#include "shim/client.h"
#include "shim/run.h"
#include "sys/file.h"

namespace berth::shim {

namespace {

/// In the child: the two descriptors to their places, whatever numbers they have.
int place_descriptors(int directory, int handshake) {
    int free_directory = fcntl(directory, F_DUPFD_CLOEXEC, 10);
    int free_handshake = fcntl(handshake, F_DUPFD_CLOEXEC, 10);
    if (free_directory < 0 || free_handshake < 0) return errno;
    if (dup2(free_directory, kBundleFd) < 0 || dup2(free_handshake, kHandshakeFd) < 0) return errno;
    return 0;
}

}  // namespace

Spawned spawn(const std::string& program, int directory, const std::string& id) {
    std::array<int, 2> pair{};
    sys::check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()), "socketpair");
    UniqueFd ours(pair[0]);
    UniqueFd theirs(pair[1]);

    sys::SpawnOptions options;
    options.path = program;
    options.argv = {"berth-shim", "run", id};
    options.before_exec = [&, handshake = theirs.get()] { return place_descriptors(directory, handshake); };
    sys::Child process = sys::spawn(options);
    theirs.reset();

    std::optional<Message> message = receive_message(ours.get(), true);
    if (!message || message->text.empty())
        throw Error(ErrorKind::internal, "berth-shim ended without an answer; its directory's shim.log may say more");
    json::Value answer = json::parse(message->text);
    const json::Object& body = answer.as_object();
    if (const json::Value* error = body.if_contains("error"); error != nullptr && error->is_object()) {
        process.wait();
        throw_error(error->get_object());
    }
    return {std::move(process), Client(std::move(ours)), body};
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
