// SPDX-License-Identifier: Apache-2.0
// The requests of the protocol (docs/shim.md lists them): members in, calls of Shim, members out. No state.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <csignal>

#include "runtime/stats.h"
#include "shim/protocol.h"
#include "shim/shim.h"
#include "sys/file.h"

namespace berth::shim {

namespace {

using Handler = json::Value (*)(Shim&, Call&);

const json::Value* find(const Call& call, std::string_view key) {
    const json::Value* value = call.body.if_contains(key);
    return value == nullptr || value->is_null() ? nullptr : value;
}

template <typename T>
T member(const Call& call, std::string_view key, T absent) {
    const json::Value* value = find(call, key);
    if (value == nullptr) return absent;
    json::Path path{nullptr, key, 0, false};
    T result{};
    json::decode_into(result, *value, path);
    return result;
}

template <typename T>
T required(const Call& call, std::string_view key) {
    if (find(call, key) == nullptr) throw make_error(ErrorKind::invalid_argument, "{}: missing", key);
    return member<T>(call, key, T{});
}

UniqueFd take_fd(Call& call) {
    if (call.fds.empty()) throw Error(ErrorKind::invalid_argument, "the request lacks a descriptor");
    UniqueFd fd = std::move(call.fds.front());
    call.fds.erase(call.fds.begin());
    return fd;
}

Waiter waiter_of(const Call& call) {
    return {call.connection.id(), call.id};
}

/// The text of an object that is in the request or, if `<key>_fd`, in its first descriptor.
std::string body_text(Call& call, std::string_view key) {
    if (member(call, fmt::format("{}_fd", key), false)) {
        UniqueFd fd = take_fd(call);
        return sys::read_all(fd.get(), key);
    }
    const json::Value* value = find(call, key);
    if (value == nullptr) throw make_error(ErrorKind::invalid_argument, "{}: missing", key);
    return json::print(*value);
}

AttachRequest take_streams(Call& call) {
    bool in = member(call, "stdin", false);
    bool out = member(call, "stdout", false);
    bool err = member(call, "stderr", false);
    AttachRequest request;
    request.lossless = member(call, "lossless", false);
    request.hold_stdin = member(call, "hold_stdin", false);
    request.ends_with_stdin = member(call, "ends_with_stdin", false);
    if (in) request.source = take_fd(call);
    if (member(call, "framed", false)) {
        request.framing = Framing::docker;
        if (out || err) request.out = take_fd(call);
        request.skip = {!out, !err};
    } else {
        if (out) request.out = take_fd(call);
        if (err) request.err = take_fd(call);
    }
    return request;
}

/// Throws where no major is shared. A client that names none is taken to speak this one.
json::Value op_hello(Shim& shim, Call& call) {
    auto majors = member(call, "majors", std::vector<int64_t>{kProtocolMajor});
    if (std::ranges::find(majors, kProtocolMajor) == majors.end())
        throw make_error(ErrorKind::not_implemented, "this shim speaks version {}.{} of the protocol only",
                         kProtocolMajor, kProtocolMinor);
    return shim.greeting();
}

json::Value op_state(Shim& shim, Call&) {
    return shim.state();
}

json::Value op_subscribe(Shim& shim, Call& call) {
    call.connection.subscribe();
    return shim.state();
}

json::Value op_start(Shim& shim, Call&) {
    return json::Object{{"pid", shim.start()}};
}

json::Value op_kill(Shim& shim, Call& call) {
    auto signal = member<int32_t>(call, "signal", SIGKILL);
    // 0 only asks whether the process is there.
    if (signal < 0 || signal > SIGRTMAX)
        throw make_error(ErrorKind::invalid_argument, "signal: {} is none", signal);
    auto exec = member<std::string>(call, "exec", {});
    if (exec.empty())
        shim.kill(signal, member(call, "all", false));
    else
        shim.execs().signal(exec, signal);
    return json::Object{};
}

json::Value op_attach(Shim& shim, Call& call) {
    AttachRequest request = take_streams(call);
    if (!request.source && !request.out && !request.err)
        throw Error(ErrorKind::invalid_argument, "none of stdin, stdout, stderr is asked for");
    uint64_t id = shim.attach(member<std::string>(call, "exec", {}), std::move(request));
    return json::Object{{"attachment", id}};
}

json::Value op_detach(Shim& shim, Call& call) {
    shim.detach(required<uint64_t>(call, "attachment"));
    return json::Object{};
}

json::Value op_close_stdin(Shim& shim, Call& call) {
    shim.stdio(member<std::string>(call, "exec", {})).close_stdin();
    return json::Object{};
}

json::Value op_resize(Shim& shim, Call& call) {
    auto width = required<uint16_t>(call, "width");
    auto height = required<uint16_t>(call, "height");
    shim.stdio(member<std::string>(call, "exec", {})).resize(width, height);
    return json::Object{};
}

json::Value op_exec(Shim& shim, Call& call) {
    ExecRequest request;
    request.id = required<std::string>(call, "exec");
    request.process = spec::decode_process(body_text(call, "process"));
    request.streams = take_streams(call);
    request.wants_attachment = request.streams.source || request.streams.out || request.streams.err;
    request.direct = member(call, "direct", false);
    Shim::Started started = shim.start_exec(std::move(request));
    json::Object answer{{"pid", started.pid}};
    if (started.attachment) answer["attachment"] = *started.attachment;
    return answer;
}

json::Value op_exec_wait(Shim& shim, Call& call) {
    std::optional<ExecExit> exit = shim.execs().wait(required<std::string>(call, "exec"), waiter_of(call));
    call.deferred = !exit;
    return exit ? json::Value(encode_exec_exit(*exit)) : json::Value();
}

json::Value op_pause(Shim& shim, Call&) {
    shim.container().pause();
    return json::Object{};
}

json::Value op_resume(Shim& shim, Call&) {
    shim.container().resume();
    return json::Object{};
}

json::Value op_update(Shim& shim, Call& call) {
    shim.container().update(spec::decode_resources(body_text(call, "resources")));
    return json::Object{};
}

json::Value op_stats(Shim& shim, Call&) {
    return json::parse(runtime::encode_stats(shim.container().stats()));
}

json::Value op_pids(Shim& shim, Call&) {
    json::Array pids;
    for (pid_t pid : shim.container().processes()) pids.push_back(json::Value(pid));
    return json::Object{{"pids", std::move(pids)}};
}

json::Value op_logs_subscribe(Shim& shim, Call& call) {
    AttachRequest request;
    request.out = take_fd(call);
    request.framing = Framing::log;
    request.lossless = member(call, "lossless", false);
    request.first = {shim.log().unfinished(Stream::out), shim.log().unfinished(Stream::err)};
    json::Object answer{{"attachment", shim.attach({}, std::move(request))}};
    struct stat file{};
    const LogSettings& log = shim.log_settings();
    if (log.driver != "none" && fstatat(shim.directory(), log.path.c_str(), &file, 0) == 0) {
        answer["inode"] = file.st_ino;
        answer["size"] = file.st_size;
    }
    return answer;
}

json::Value op_log_reopen(Shim& shim, Call&) {
    shim.log().reopen();
    return json::Object{};
}

json::Value op_wait(Shim& shim, Call& call) {
    std::optional<ExitRecord> exit = shim.wait(waiter_of(call));
    call.deferred = !exit;
    return exit ? json::Value(encode_exit(*exit)) : json::Value();
}

json::Value op_delete(Shim& shim, Call& call) {
    call.deferred = !shim.remove(waiter_of(call), member(call, "force", false));
    return json::Object{};
}

json::Value op_shutdown(Shim& shim, Call&) {
    shim.shut_down();
    return json::Object{};
}

json::Value op_park(Shim& shim, Call& call) {
    shim.park(required<std::string>(call, "name"), std::move(call.fds));
    return json::Object{};
}

json::Value op_unpark(Shim& shim, Call& call) {
    call.answer_fds = shim.unpark(required<std::string>(call, "name"), member(call, "keep", false));
    return json::Object{{"count", call.answer_fds.size()}};
}

struct Operation {
    std::string_view name;
    Handler handler;
};

constexpr std::array kOperations = {
    Operation{"hello", op_hello},
    Operation{"state", op_state},
    Operation{"subscribe", op_subscribe},
    Operation{"start", op_start},
    Operation{"kill", op_kill},
    Operation{"attach", op_attach},
    Operation{"detach", op_detach},
    Operation{"close_stdin", op_close_stdin},
    Operation{"resize", op_resize},
    Operation{"exec", op_exec},
    Operation{"exec_wait", op_exec_wait},
    Operation{"pause", op_pause},
    Operation{"resume", op_resume},
    Operation{"update", op_update},
    Operation{"stats", op_stats},
    Operation{"pids", op_pids},
    Operation{"logs_subscribe", op_logs_subscribe},
    Operation{"log_reopen", op_log_reopen},
    Operation{"wait", op_wait},
    Operation{"delete", op_delete},
    Operation{"shutdown", op_shutdown},
    Operation{"park", op_park},
    Operation{"unpark", op_unpark},
};

}  // namespace

json::Value Shim::handle(Call& call) {
    auto name = required<std::string>(call, "op");
    auto operation = std::ranges::find(kOperations, name, &Operation::name);
    if (operation == kOperations.end())
        throw make_error(ErrorKind::not_implemented, "the shim knows no operation \"{}\"", name);
    return operation->handler(*this, call);
}

}  // namespace berth::shim
