// SPDX-License-Identifier: Apache-2.0
#include "net/port_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <thread>

#include "base/error.h"
#include "base/json.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/unix_socket.h"

namespace berth::net {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// How long a process that ends may take to let go of the lock.
constexpr auto kStartLimit = 5s;
constexpr auto kPause = 2ms;
constexpr int kMajor = 1;

/// Empty where nobody listens.
UniqueFd connect_to(const std::string& path) {
    UniqueFd socket(
        sys::check(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket"));
    try {
        sys::connect_unix(socket.get(), path);
        return socket;
    } catch (const Error& error) {
        if (error.code() != ENOENT && error.code() != ECONNREFUSED) throw;
        return {};
    }
}

/// The next message, or an empty text where the process is gone.
std::string wait_for_message(int socket, const PortProcessOptions& options) {
    auto deadline = Clock::now() + options.answer_limit;
    while (true) {
        if (std::optional<std::string> text = receive_port_message(socket)) return std::move(*text);
        auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
        if (left <= 0ms)
            throw make_error(ErrorKind::unavailable,
                             "the process that holds published ports ({}) does not answer", options.socket);
        pollfd waiting{socket, POLLIN, 0};
        if (::poll(&waiting, 1, static_cast<int>(left.count())) < 0 && errno != EINTR)
            throw errno_error(errno, "poll");
    }
}

const json::Object* object_at(const json::Object& object, std::string_view key) {
    const json::Value* value = object.if_contains(key);
    return value != nullptr && value->is_object() ? &value->get_object() : nullptr;
}

void check_version(const json::Object& greeting) {
    const json::Value* major = greeting.if_contains("major");
    if (major == nullptr || !major->is_int64() || major->get_int64() != kMajor)
        throw Error(
            ErrorKind::not_implemented,
            "the process that holds published ports is of another version: it ends when the containers "
            "that publish ports have stopped");
}

/// False where it went away meanwhile.
bool greet(int socket, const PortProcessOptions& options) {
    if (send_port_message(socket, R"({"id":0,"op":"hello","majors":[1]})") != PortSend::sent) return false;
    std::string text = wait_for_message(socket, options);
    if (text.empty()) return false;
    json::Value answer = json::parse(text);
    const json::Object* ok = answer.is_object() ? object_at(answer.get_object(), "ok") : nullptr;
    check_version(ok != nullptr ? *ok : json::Object{});
    return true;
}

/// Empty where another process has the lock: it serves soon, or ends.
UniqueFd start(const PortProcessOptions& options) {
    int pair[2];
    sys::check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), "socketpair");
    UniqueFd ours(pair[0]);
    UniqueFd theirs(pair[1]);
    UniqueFd null = sys::open_file("/dev/null", O_RDWR);
    sys::SpawnOptions spawn;
    spawn.path = options.program;
    spawn.argv = {"berth-shim", "ports",        "--tag",    options.tag,
                  "--socket",   options.socket, "--linger", fmt::format("{}", options.linger.count())};
    spawn.stdin_fd = theirs.get();
    spawn.stdout_fd = null.get();
    spawn.stderr_fd = null.get();
    // It ends at once: the process that stays is its child.
    sys::Child child = sys::spawn(spawn);
    theirs.reset();
    std::string text = wait_for_message(ours.get(), options);
    child.wait_for(options.answer_limit);
    if (text.empty())
        throw make_error(ErrorKind::internal, "{} ports ended without an answer", options.program);
    json::Value answer = json::parse(text);
    const json::Object& body = answer.as_object();
    if (const json::Object* error = object_at(body, "error")) {
        if (const json::Value* code = error->if_contains("code"); code != nullptr && *code == EWOULDBLOCK)
            return {};
        const json::Value* message = error->if_contains("message");
        throw make_error(
            ErrorKind::internal, "starting the process that holds published ports: {}",
            message != nullptr && message->is_string() ? std::string(message->get_string()) : text);
    }
    check_version(body);
    return ours;
}

}  // namespace

UniqueFd reach_port_process(const PortProcessOptions& options, bool may_start) {
    auto deadline = Clock::now() + kStartLimit;
    while (true) {
        UniqueFd socket = connect_to(options.socket);
        if (!socket && !may_start) return {};
        if (socket && greet(socket.get(), options)) return socket;
        if (!socket)
            socket = start(options);
        else
            socket.reset();
        if (socket) return socket;
        if (Clock::now() > deadline)
            throw make_error(ErrorKind::unavailable,
                             "the process that holds published ports ({}) neither "
                             "serves nor ends",
                             options.socket);
        std::this_thread::sleep_for(kPause);
    }
}

PortSend send_port_message(int socket, std::string_view text) {
    ssize_t sent =
        sys::retry([&] { return ::send(socket, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT); });
    if (sent >= 0) return PortSend::sent;
    return errno == EAGAIN || errno == ENOBUFS ? PortSend::full : PortSend::gone;
}

std::optional<std::string> receive_port_message(int socket) {
    std::string text(kMaxPortMessage, '\0');
    ssize_t got = sys::retry([&] { return ::recv(socket, text.data(), text.size(), MSG_DONTWAIT); });
    // Told once where the process ended with messages unread; what it sent before is still there.
    if (got < 0 && errno == ECONNRESET)
        got = sys::retry([&] { return ::recv(socket, text.data(), text.size(), MSG_DONTWAIT); });
    if (got < 0 && errno == EAGAIN) return std::nullopt;
    text.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return text;
}

}  // namespace berth::net
