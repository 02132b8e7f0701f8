// SPDX-License-Identifier: Apache-2.0
#include "shim/client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "shim/answer_members.h"
#include "shim/run.h"
#include "sys/file.h"

namespace berth::shim {

std::pair<json::Object, std::vector<int>> encode_streams(const Streams& streams) {
    json::Object members;
    std::vector<int> fds;
    auto add = [&](const char* name, int fd) {
        if (fd < 0) return;
        members[name] = true;
        fds.push_back(fd);
    };
    add("stdin", streams.in);
    add("stdout", streams.out);
    if (streams.framed) {
        members["framed"] = true;
        members["stdout"] = streams.out >= 0 && !streams.skip_out;
        members["stderr"] = streams.out >= 0 && !streams.skip_err;
    } else {
        add("stderr", streams.err);
    }
    if (streams.lossless) members["lossless"] = true;
    if (streams.hold_stdin) members["hold_stdin"] = true;
    if (streams.ends_with_stdin) members["ends_with_stdin"] = true;
    return {std::move(members), std::move(fds)};
}

Client Client::connect(int directory) {
    return Client(connect_beneath(directory, kSocketName));
}

Client Client::connect(const std::string& directory) {
    UniqueFd fd = sys::open_file(directory, O_PATH | O_DIRECTORY);
    return connect(fd.get());
}

int64_t Client::send(std::string_view op, json::Object members, const std::vector<int>& fds) {
    int64_t id = next_id_++;
    members["id"] = id;
    members["op"] = op;
    if (send_message(socket_.get(), json::print(members), fds, true) != SendResult::sent)
        throw Error(ErrorKind::unavailable, "the shim is gone", ECONNRESET);
    return id;
}

std::optional<Client::Incoming> Client::receive(std::optional<std::chrono::milliseconds> timeout) {
    pollfd ready{socket_.get(), POLLIN, 0};
    int wait_ms = timeout ? static_cast<int>(timeout->count()) : -1;
    if (sys::retry([&] { return poll(&ready, 1, wait_ms); }) == 0) return std::nullopt;
    std::optional<Message> message = receive_message(socket_.get(), true);
    if (!message || message->text.empty()) return std::nullopt;
    json::Value value = json::parse(message->text);
    if (!value.is_object()) throw Error(ErrorKind::internal, "the shim sent no object");
    return Incoming{std::move(value.get_object()), std::move(message->fds)};
}

Answer Client::wait_answer(int64_t id) {
    auto is_it = [&](const Incoming& incoming) {
        const json::Value& of = at(incoming.body, "id");
        return of.is_int64() && of.get_int64() == id;
    };
    while (true) {
        auto found = std::ranges::find_if(answers_, is_it);
        if (found != answers_.end()) {
            Incoming incoming = std::move(*found);
            answers_.erase(found);
            if (at(incoming.body, "error").is_object()) throw_error(at(incoming.body, "error").get_object());
            if (!at(incoming.body, "ok_fd").is_bool())
                return {at(incoming.body, "ok"), std::move(incoming.fds)};
            if (incoming.fds.empty())
                throw Error(ErrorKind::internal, "the shim's answer lacks its descriptor");
            return {json::parse(sys::read_all(incoming.fds.front().get(), "answer")), {}};
        }
        std::optional<Incoming> incoming = receive({});
        if (!incoming) throw Error(ErrorKind::unavailable, "the shim is gone", ECONNRESET);
        if (incoming->body.contains("event"))
            events_.push_back(std::move(incoming->body));
        else
            answers_.push_back(std::move(*incoming));
    }
}

Answer Client::call(std::string_view op, json::Object members, const std::vector<int>& fds) {
    return wait_answer(send(op, std::move(members), fds));
}

json::Object Client::call_object(std::string_view op, json::Object members, const std::vector<int>& fds) {
    json::Value ok = call(op, std::move(members), fds).ok;
    return ok.is_object() ? std::move(ok.get_object()) : json::Object{};
}

std::optional<json::Object> Client::next_event(std::optional<std::chrono::milliseconds> timeout) {
    while (events_.empty()) {
        std::optional<Incoming> incoming = receive(timeout);
        if (!incoming) return std::nullopt;
        if (incoming->body.contains("event"))
            events_.push_back(std::move(incoming->body));
        else
            answers_.push_back(std::move(*incoming));
    }
    json::Object event = std::move(events_.front());
    events_.pop_front();
    return event;
}

json::Object Client::hello(const std::vector<int64_t>& majors) {
    return call_object("hello", {{"majors", json::encode(majors)}});
}
json::Object Client::state() {
    return call_object("state");
}
json::Object Client::subscribe() {
    return call_object("subscribe");
}
pid_t Client::start() {
    return get<pid_t>(call_object("start"), "pid");
}

void Client::kill(int signal, bool all, const std::string& exec) {
    call("kill", {{"signal", signal}, {"all", all}, {"exec", exec}});
}

uint64_t Client::attach(const Streams& streams, const std::string& exec) {
    auto [members, fds] = encode_streams(streams);
    members["exec"] = exec;
    return get<uint64_t>(call_object("attach", std::move(members), fds), "attachment");
}

void Client::detach(uint64_t attachment) {
    call("detach", {{"attachment", attachment}});
}
void Client::close_stdin(const std::string& exec) {
    call("close_stdin", {{"exec", exec}});
}

void Client::resize(uint16_t width, uint16_t height, const std::string& exec) {
    call("resize", {{"exec", exec}, {"width", width}, {"height", height}});
}

ExecAnswer Client::exec(const std::string& id, std::string_view process_json, const Streams& streams,
                        bool direct) {
    auto [members, fds] = encode_streams(streams);
    UniqueFd process = sys::memory_file("berth-process", process_json);
    fds.insert(fds.begin(), process.get());
    members["exec"] = id;
    members["process_fd"] = true;
    if (direct) members["direct"] = true;
    json::Object ok = call_object("exec", std::move(members), fds);
    return {get<pid_t>(ok, "pid"), get<uint64_t>(ok, "attachment")};
}

ExecResult Client::exec_wait(const std::string& id) {
    json::Object ok = call_object("exec_wait", {{"exec", id}});
    return {get<int>(ok, "code"), get<int>(ok, "signal"), get<int64_t>(ok, "time_ns")};
}

void Client::pause() {
    call("pause");
}
void Client::resume() {
    call("resume");
}
void Client::update(std::string_view resources_json) {
    call("update", {{"resources", json::parse(resources_json)}});
}
json::Object Client::stats() {
    return call_object("stats");
}
std::vector<pid_t> Client::pids() {
    return get<std::vector<pid_t>>(call_object("pids"), "pids");
}

Answer Client::logs_subscribe(int fd, bool lossless) {
    return call("logs_subscribe", {{"lossless", lossless}}, {fd});
}

ExitRecord Client::wait() {
    return json::decode<ExitRecord>(call("wait").ok);
}
void Client::remove(bool force) {
    call("delete", {{"force", force}});
}
void Client::shutdown() {
    call("shutdown");
}
void Client::park(const std::string& name, const std::vector<int>& fds) {
    call("park", {{"name", name}}, fds);
}

std::vector<UniqueFd> Client::unpark(const std::string& name, bool keep) {
    return call("unpark", {{"name", name}, {"keep", keep}}).fds;
}

}  // namespace berth::shim
