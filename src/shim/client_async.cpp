// SPDX-License-Identifier: Apache-2.0
#include "shim/client_async.h"

#include <deque>
#include <map>

#include "async/descriptor.h"
#include "base/error.h"
#include "base/log.h"
#include "shim/answer_members.h"
#include "shim/protocol.h"
#include "sys/file.h"

namespace berth::shim {

namespace {

/// A call in flight, in its coroutine's frame.
struct Pending {
    explicit Pending(async::Context& context) : ended(context) {}
    int64_t id = 0;
    std::string text;
    std::vector<int> fds;  ///< borrowed
    async::Event ended;
    bool gone = false;  ///< ended without an answer
    json::Object answer;
    std::vector<UniqueFd> answer_fds;
};

Error gone() {
    return Error(ErrorKind::unavailable, "the shim is gone", ECONNRESET);
}

Answer take_answer(Pending& pending) {
    const json::Value& error = at(pending.answer, "error");
    if (error.is_object()) throw_error(error.get_object());
    if (!at(pending.answer, "ok_fd").is_bool())
        return {at(pending.answer, "ok"), std::move(pending.answer_fds)};
    if (pending.answer_fds.empty())
        throw Error(ErrorKind::internal, "the shim's answer lacks its descriptor");
    return {json::parse(sys::read_all(pending.answer_fds.front().get(), "answer")), {}};
}

}  // namespace

/// Kept by the reading coroutine too, until the connection ends.
struct AsyncClient::State : std::enable_shared_from_this<State> {
    State(async::Context& loop, UniqueFd fd, Listener called)
        : context(loop), socket(loop, std::move(fd)), listener(std::move(called)) {}

    void enter(Pending& call) {
        call.id = next_id++;
        pending[call.id] = &call;
    }
    void leave(Pending& call) {
        pending.erase(call.id);
        std::erase(unsent, &call);
    }

    void send(Pending& call) {
        unsent.push_back(&call);
        if (waits_for_room || send_some()) return;
        waits_for_room = true;
        context.spawn("shim client", send_rest(shared_from_this()));
    }
    /// False where the socket is full.
    bool send_some() {
        while (!unsent.empty()) {
            Pending& call = *unsent.front();
            // A shim that is gone is told by reading.
            if (send_message(socket.fd(), call.text, call.fds, false) == SendResult::would_block)
                return false;
            std::string().swap(call.text);
            unsent.pop_front();
        }
        return true;
    }
    static async::Task<void> send_rest(std::shared_ptr<State> self) {
        // The kernel may also lack room for descriptors in flight, which no event tells of.
        constexpr std::chrono::milliseconds kPause(1);
        try {
            while (self->open) {
                co_await self->socket.wait_writable();
                if (self->send_some()) break;
                co_await async::sleep_for(kPause);
            }
        } catch (const Error&) {
            // Closed meanwhile; the calls were told.
        }
        self->waits_for_room = false;
    }

    static async::Task<void> read(std::shared_ptr<State> self) {
        try {
            bool more = true;
            while (more && self->open) {
                co_await self->socket.wait_readable();
                more = self->receive_all();
            }
        } catch (const Error& error) {
            if (self->open) log::warning("shim client: {}", error.what());
        }
        if (!self->open) co_return;
        self->end();
        // It may destroy the client, and what it refers to.
        std::function<void()> ended = std::move(self->listener.ended);
        if (ended) ended();
    }
    /// Takes what has come. False at the end.
    bool receive_all() {
        while (open) {
            std::optional<Message> message = receive_message(socket.fd(), false);
            if (!message) return true;
            if (message->text.empty()) return false;
            dispatch(std::move(*message));
        }
        return false;
    }
    void dispatch(Message message) {
        json::Value value = json::parse(message.text);
        if (!value.is_object()) throw Error(ErrorKind::internal, "the shim sent no object");
        json::Object body = std::move(value.get_object());
        if (body.contains("event")) {
            auto handler = listener.event;
            if (handler) handler(body);
            return;
        }
        const json::Value& id = at(body, "id");
        auto found = pending.find(id.is_int64() ? id.get_int64() : -1);
        // Nobody waits for it any more where the call was cancelled.
        if (found == pending.end()) return;
        found->second->answer = std::move(body);
        found->second->answer_fds = std::move(message.fds);
        found->second->ended.set();
    }

    void end() {
        open = false;
        socket.close();
        for (auto& [id, call] : pending) {
            call->gone = call->answer.empty();
            call->ended.set();
        }
    }

    async::Context& context;
    async::Descriptor socket;
    Listener listener;
    std::map<int64_t, Pending*> pending;
    std::deque<Pending*> unsent;
    int64_t next_id = 1;
    bool waits_for_room = false;
    bool open = true;
};

AsyncClient::AsyncClient(async::Context& context, UniqueFd socket, Listener listener)
    : state_(std::make_shared<State>(context, std::move(socket), std::move(listener))) {
    context.spawn("shim client", State::read(state_));
}

std::shared_ptr<AsyncClient> AsyncClient::connect(async::Context& context, int directory, Listener listener) {
    return std::make_shared<AsyncClient>(context, connect_beneath(directory, kSocketName),
                                         std::move(listener));
}

AsyncClient::~AsyncClient() {
    close();
}

void AsyncClient::set_listener(Listener listener) {
    state_->listener = std::move(listener);
}

void AsyncClient::close() {
    if (!state_->open) return;
    state_->end();
    state_->listener = {};
}

bool AsyncClient::is_open() const {
    return state_->open;
}

async::Task<Answer> AsyncClient::call(std::string op, json::Object members, std::vector<int> fds) {
    std::shared_ptr<State> state = state_;
    if (!state->open) throw gone();
    Pending pending(state->context);
    state->enter(pending);
    struct Leave {
        State& state;
        Pending& pending;
        ~Leave() { state.leave(pending); }
    } leave{*state, pending};
    members["id"] = pending.id;
    members["op"] = op;
    pending.text = json::print(members);
    pending.fds = std::move(fds);
    state->send(pending);
    co_await pending.ended.wait();
    if (pending.gone) throw gone();
    co_return take_answer(pending);
}

async::Task<json::Object> AsyncClient::call_object(std::string op, json::Object members,
                                                   std::vector<int> fds) {
    Answer answer = co_await call(std::move(op), std::move(members), std::move(fds));
    if (!answer.ok.is_object()) co_return json::Object{};
    co_return std::move(answer.ok.get_object());
}

async::Task<json::Object> AsyncClient::hello() {
    json::Object members{{"majors", json::Array{kProtocolMajor}}};
    return call_object("hello", std::move(members));
}

async::Task<json::Object> AsyncClient::state() {
    return call_object("state");
}
async::Task<json::Object> AsyncClient::subscribe() {
    return call_object("subscribe");
}

async::Task<pid_t> AsyncClient::start() {
    json::Object ok = co_await call_object("start");
    co_return get<pid_t>(ok, "pid");
}

async::Task<void> AsyncClient::kill(int signal, bool all, std::string exec) {
    json::Object members{{"signal", signal}, {"all", all}, {"exec", exec}};
    co_await call("kill", std::move(members));
}

async::Task<uint64_t> AsyncClient::attach(Streams streams, std::string exec) {
    auto [members, fds] = encode_streams(streams);
    members["exec"] = exec;
    json::Object ok = co_await call_object("attach", std::move(members), std::move(fds));
    co_return get<uint64_t>(ok, "attachment");
}

async::Task<void> AsyncClient::detach(uint64_t attachment) {
    json::Object members{{"attachment", attachment}};
    co_await call("detach", std::move(members));
}

async::Task<void> AsyncClient::close_stdin(std::string exec) {
    json::Object members{{"exec", exec}};
    co_await call("close_stdin", std::move(members));
}

async::Task<void> AsyncClient::resize(uint16_t width, uint16_t height, std::string exec) {
    json::Object members{{"exec", exec}, {"width", width}, {"height", height}};
    co_await call("resize", std::move(members));
}

async::Task<ExecAnswer> AsyncClient::exec(std::string id, std::string process_json, Streams streams,
                                          bool direct) {
    auto [members, fds] = encode_streams(streams);
    UniqueFd process = sys::memory_file("berth-process", process_json);
    fds.insert(fds.begin(), process.get());
    members["exec"] = id;
    members["process_fd"] = true;
    if (direct) members["direct"] = true;
    json::Object ok = co_await call_object("exec", std::move(members), std::move(fds));
    co_return ExecAnswer{get<pid_t>(ok, "pid"), get<uint64_t>(ok, "attachment")};
}

async::Task<ExecResult> AsyncClient::exec_wait(std::string id) {
    json::Object members{{"exec", id}};
    json::Object ok = co_await call_object("exec_wait", std::move(members));
    co_return ExecResult{get<int>(ok, "code"), get<int>(ok, "signal"), get<int64_t>(ok, "time_ns")};
}

async::Task<void> AsyncClient::pause() {
    co_await call("pause");
}
async::Task<void> AsyncClient::resume() {
    co_await call("resume");
}

async::Task<void> AsyncClient::update(std::string resources_json) {
    json::Object members{{"resources", json::parse(resources_json)}};
    co_await call("update", std::move(members));
}

async::Task<json::Object> AsyncClient::stats() {
    return call_object("stats");
}

async::Task<std::vector<pid_t>> AsyncClient::pids() {
    json::Object ok = co_await call_object("pids");
    co_return get<std::vector<pid_t>>(ok, "pids");
}

async::Task<Answer> AsyncClient::logs_subscribe(int fd, bool lossless) {
    json::Object members{{"lossless", lossless}};
    std::vector<int> fds{fd};
    return call("logs_subscribe", std::move(members), std::move(fds));
}

async::Task<ExitRecord> AsyncClient::wait() {
    Answer answer = co_await call("wait");
    co_return json::decode<ExitRecord>(answer.ok);
}

async::Task<void> AsyncClient::remove(bool force) {
    json::Object members{{"force", force}};
    co_await call("delete", std::move(members));
}

async::Task<void> AsyncClient::shutdown() {
    co_await call("shutdown");
}

async::Task<void> AsyncClient::park(std::string name, std::vector<int> fds) {
    json::Object members{{"name", name}};
    co_await call("park", std::move(members), std::move(fds));
}

async::Task<std::vector<UniqueFd>> AsyncClient::unpark(std::string name, bool keep) {
    json::Object members{{"name", name}, {"keep", keep}};
    Answer answer = co_await call("unpark", std::move(members));
    co_return std::move(answer.fds);
}

}  // namespace berth::shim
