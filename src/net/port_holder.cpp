// SPDX-License-Identifier: Apache-2.0
#include "net/port_holder.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "async/descriptor.h"
#include "base/json.h"
#include "base/log.h"
#include "net/port_process.h"

namespace berth::net {

namespace {

using Target = std::pair<IpAddress, uint16_t>;

/// A port without who has it: what the process counts once.
struct Key {
    Protocol protocol = Protocol::tcp;
    IpAddress address;
    uint16_t port = 0;
    auto operator<=>(const Key&) const = default;
};

Key key_of(const HeldPort& port) {
    return {port.protocol, port.address, port.port};
}

/// The targets of all who hold it, oldest first.
using Holds = std::vector<std::optional<Target>>;

/// In one request: far from a message's limit.
constexpr size_t kPortsInMessage = 256;
/// How often a process that goes away under a request is replaced before that fails.
constexpr int kAttempts = 3;

json::Object encode(const Key& key, const std::optional<Target>& target) {
    json::Object object{
        {"protocol", to_string(key.protocol)}, {"address", key.address.text()}, {"port", key.port}};
    if (target) {
        object["to"] = target->first.text();
        object["to_port"] = target->second;
    }
    return object;
}

std::optional<Key> decode(const json::Value& value) {
    if (!value.is_object()) return std::nullopt;
    const json::Object& object = value.get_object();
    const json::Value* protocol = object.if_contains("protocol");
    const json::Value* address = object.if_contains("address");
    const json::Value* port = object.if_contains("port");
    if (protocol == nullptr || !protocol->is_string() || address == nullptr || !address->is_string() ||
        port == nullptr || !port->is_int64())
        return std::nullopt;
    std::optional<Protocol> known = parse_protocol(std::string_view(protocol->get_string()));
    std::optional<IpAddress> parsed = IpAddress::parse(std::string_view(address->get_string()));
    if (!known || !parsed) return std::nullopt;
    return Key{*known, *parsed, static_cast<uint16_t>(port->get_int64())};
}

/// What the process refused. Its kind tells who else has the port from what can't work at all.
[[noreturn]] void throw_refusal(const json::Object& error) {
    const json::Value* message = error.if_contains("message");
    const json::Value* code = error.if_contains("code");
    const json::Value* kind = error.if_contains("kind");
    std::string text(message != nullptr && message->is_string() ? std::string_view(message->get_string())
                                                                : std::string_view("refused"));
    ErrorKind known = ErrorKind::internal;
    if (kind != nullptr && kind->is_string())
        for (ErrorKind one : {ErrorKind::conflict, ErrorKind::invalid_argument, ErrorKind::forbidden,
                              ErrorKind::unavailable, ErrorKind::not_found})
            if (std::ranges::equal(to_string(one), kind->get_string(),
                                   [](char a, char b) { return a == b || (a == ' ' && b == '_'); }))
                known = one;
    throw Error(known, text, code != nullptr && code->is_int64() ? static_cast<int>(code->get_int64()) : 0);
}

/// A connection that ended before the answer: not an Error, which a caller might take for the answer.
struct Gone {};

/// A call of a client, carried out by a coroutine of its own.
struct Job {
    explicit Job(async::Context& context) : ended(context) {}
    std::vector<HeldPort> ports;
    std::exception_ptr error;
    bool abandoned = false;  ///< nobody waits any more
    async::Event ended;
};

}  // namespace

/// `table` is what is to be held; every change of it is followed by push(), which brings the process there.
struct PortHolder::State : std::enable_shared_from_this<State> {
    State(async::Context& loop, Options given)
        : context(loop),
          process{std::move(given.socket), std::move(given.program), std::move(given.tag), given.linger,
                  given.answer_limit},
          turn(loop, 1) {}

    using Connection = std::shared_ptr<async::Descriptor>;
    using Keys = std::vector<Key>;

    void add(const std::vector<HeldPort>& ports);
    Keys remove(const std::vector<HeldPort>& ports);
    std::optional<Target> target_of(const Key& key) const;

    static async::Task<void> wait_for(std::shared_ptr<State> self, std::shared_ptr<Job> job,
                                      async::Task<void> performed);
    static async::Task<void> perform_hold(std::shared_ptr<State> self, std::shared_ptr<Job> job);
    static async::Task<void> perform_release(std::shared_ptr<State> self, std::shared_ptr<Job> job);
    static async::Task<void> perform_restore(std::shared_ptr<State> self, std::shared_ptr<Job> job);

    async::Task<bool> try_restore(Keys keys);
    async::Task<void> push(Keys keys);
    async::Task<void> push_logged(Keys keys);
    static async::Task<void> push_again(std::shared_ptr<State> self);
    async::Task<void> push_once(Keys keys, bool others_too);
    async::Task<void> push_each(Keys keys);
    async::Task<void> let_go_of_others();
    async::Task<bool> connect(bool may_start);
    async::Task<void> request(std::string op, json::Array ports);
    async::Task<json::Object> call(json::Object body);
    async::Task<void> exchange(Connection used, std::string text, int64_t id,
                               std::shared_ptr<json::Object> answer);
    static async::Task<void> watch(std::shared_ptr<State> self, Connection watched);
    void drop_connection();

    async::Context& context;
    PortProcessOptions process;
    async::Semaphore turn;
    std::map<Key, Holds> table;
    Connection connection;
    bool told = false;   ///< the process of `connection` was told to hold something
    bool known = false;  ///< the table is all that this daemon wants: it holds something, or restore() came
    bool owes = false;   ///< it may hold what the table has not, and is to be told
    bool retries = false;
    int64_t next_id = 1;
    bool closed = false;
};

void PortHolder::State::add(const std::vector<HeldPort>& ports) {
    for (const HeldPort& port : ports) table[key_of(port)].push_back(port.target);
}

PortHolder::State::Keys PortHolder::State::remove(const std::vector<HeldPort>& ports) {
    std::set<Key> changed;
    for (const HeldPort& port : ports) {
        auto found = table.find(key_of(port));
        if (found == table.end()) continue;
        Holds& holds = found->second;
        auto its = std::ranges::find(holds.rbegin(), holds.rend(), port.target);
        if (its == holds.rend()) its = holds.rbegin();
        holds.erase(std::next(its).base());
        changed.insert(found->first);
        if (holds.empty()) table.erase(found);
    }
    return {changed.begin(), changed.end()};
}

std::optional<Target> PortHolder::State::target_of(const Key& key) const {
    const Holds& holds = table.at(key);
    auto last =
        std::ranges::find_if(holds.rbegin(), holds.rend(), [](const auto& one) { return one.has_value(); });
    return last == holds.rend() ? std::nullopt : *last;
}

// --- what clients ask for ---

/// Who waits may be cancelled; the work goes on to its end all the same.
async::Task<void> PortHolder::State::wait_for(std::shared_ptr<State> self, std::shared_ptr<Job> job,
                                              async::Task<void> performed) {
    struct Abandon {
        Job& job;
        ~Abandon() { job.abandoned = true; }
    } abandon{*job};
    self->context.spawn("holding ports", std::move(performed));
    co_await job->ended.wait();
    if (job->error) std::rethrow_exception(job->error);
}

async::Task<void> PortHolder::State::perform_hold(std::shared_ptr<State> self, std::shared_ptr<Job> job) {
    async::Semaphore::Permit permit = co_await self->turn.acquire();
    self->add(job->ports);
    std::set<Key> unique;
    for (const HeldPort& port : job->ports) unique.insert(key_of(port));
    Keys keys(unique.begin(), unique.end());
    try {
        co_await self->push(keys);
    } catch (...) {
        job->error = std::current_exception();
    }
    if (job->error || job->abandoned) {
        Keys changed = self->remove(job->ports);
        co_await self->push_logged(std::move(changed));
    }
    job->ended.set();
}

async::Task<void> PortHolder::State::perform_release(std::shared_ptr<State> self, std::shared_ptr<Job> job) {
    async::Semaphore::Permit permit = co_await self->turn.acquire();
    Keys changed = self->remove(job->ports);
    co_await self->push_logged(std::move(changed));
    job->ended.set();
}

async::Task<void> PortHolder::State::perform_restore(std::shared_ptr<State> self, std::shared_ptr<Job> job) {
    async::Semaphore::Permit permit = co_await self->turn.acquire();
    self->table.clear();
    self->add(job->ports);
    self->known = true;
    Keys keys;
    for (const auto& [key, holds] : self->table) keys.push_back(key);
    try {
        bool gone = true;
        for (int attempt = 0; attempt < kAttempts && gone; ++attempt)
            gone = !co_await self->try_restore(keys);
        if (gone) log::error("published ports: the process that holds them keeps ending");
    } catch (const Error& error) {
        log::error("published ports: {}", error.what());
    }
    job->ended.set();
}

/// False where the process went away.
async::Task<bool> PortHolder::State::try_restore(Keys keys) {
    bool gone = false;
    try {
        co_await connect(!keys.empty());
        if (connection) co_await let_go_of_others();
        if (!keys.empty()) co_await push_each(std::move(keys));
    } catch (const Gone&) {
        gone = true;
    }
    if (gone) drop_connection();
    co_return !gone;
}

// --- bringing the process to what the table says ---

/// Throws what the process refuses; some of `keys` may be done then.
async::Task<void> PortHolder::State::push(Keys keys) {
    for (int attempt = 1;; ++attempt) {
        bool wanted = std::ranges::any_of(keys, [&](const Key& key) { return table.contains(key); });
        bool fresh = co_await connect(wanted || !table.empty());
        if (!connection) {
            owes = false;  // there is no process
            co_return;
        }
        bool gone = false;
        try {
            // What this daemon let go of while it could not say so.
            if (fresh && known) co_await let_go_of_others();
            co_await push_once(keys, fresh);
        } catch (const Gone&) {
            gone = true;
        }
        if (!gone) {
            told = !table.empty();
            known = true;
            owes = false;
            co_return;
        }
        drop_connection();
        if (attempt == kAttempts)
            throw Error(ErrorKind::unavailable, "the process that holds published ports keeps ending");
    }
}

async::Task<void> PortHolder::State::push_logged(Keys keys) {
    try {
        co_await push(std::move(keys));
        co_return;
    } catch (const Error& error) {
        if (!owes) log::error("published ports: {}", error.what());
    }
    owes = true;
    if (!std::exchange(retries, true))
        context.spawn("telling the process that holds published ports", push_again(shared_from_this()));
}

/// A process that was stopped for a while would hold for good what nobody has any more: the next connection
/// to it tells.
async::Task<void> PortHolder::State::push_again(std::shared_ptr<State> self) {
    while (self->owes && !self->closed) {
        co_await async::sleep_for(self->process.answer_limit / 2);
        async::Semaphore::Permit permit = co_await self->turn.acquire();
        if (self->owes && !self->closed) co_await self->push_logged({});
    }
    self->retries = false;
}

async::Task<void> PortHolder::State::push_once(Keys keys, bool others_too) {
    if (others_too) {
        // Another process than the one that was told before.
        Keys others;
        for (const auto& [key, holds] : table)
            if (!std::ranges::binary_search(keys, key)) others.push_back(key);
        if (!others.empty()) co_await push_each(std::move(others));
    }
    for (bool holds : {false, true}) {
        json::Array ports;
        for (size_t i = 0; i < keys.size(); ++i) {
            bool is_held = table.contains(keys[i]);
            if (is_held == holds)
                ports.push_back(encode(keys[i], is_held ? target_of(keys[i]) : std::nullopt));
            if (ports.empty() || (ports.size() < kPortsInMessage && i + 1 < keys.size())) continue;
            co_await request(holds ? "hold" : "release", std::move(ports));
            ports = json::Array();
        }
    }
}

/// What can't be had is logged.
async::Task<void> PortHolder::State::push_each(Keys keys) {
    for (size_t begin = 0; begin < keys.size(); begin += kPortsInMessage) {
        size_t end = std::min(begin + kPortsInMessage, keys.size());
        json::Array ports;
        for (size_t i = begin; i < end; ++i) ports.push_back(encode(keys[i], target_of(keys[i])));
        bool refused = false;
        try {
            co_await request("hold", ports);
        } catch (const Error&) {
            refused = true;
        }
        // One of them is the reason: the others are to be held.
        for (size_t i = 0; refused && i < ports.size(); ++i) {
            json::Array one{json::Value(ports[i])};
            try {
                co_await request("hold", std::move(one));
            } catch (const Error& error) {
                log::error("published ports: {}", error.what());
            }
        }
    }
    told = !table.empty();
}

async::Task<void> PortHolder::State::let_go_of_others() {
    json::Array others;
    size_t count = 1;
    for (size_t from = 0; from < count;) {
        json::Object body{{"op", "list"}, {"from", from}};
        json::Object answer = co_await call(std::move(body));
        const json::Value* total = answer.if_contains("count");
        const json::Value* ports = answer.if_contains("ports");
        if (total == nullptr || !total->is_int64() || ports == nullptr || !ports->is_array()) co_return;
        count = static_cast<size_t>(total->get_int64());
        if (ports->get_array().empty()) break;
        from += ports->get_array().size();
        for (const json::Value& port : ports->get_array())
            if (std::optional<Key> key = decode(port); key && !table.contains(*key)) others.push_back(port);
    }
    for (size_t begin = 0; begin < others.size(); begin += kPortsInMessage) {
        json::Array ports;
        for (size_t i = begin; i < std::min(begin + kPortsInMessage, others.size()); ++i)
            ports.push_back(others[i]);
        co_await request("release", std::move(ports));
    }
}

// --- the process ---

/// True where the connection is a new one. None is made where there is no process and none may be started.
async::Task<bool> PortHolder::State::connect(bool may_start) {
    if (closed) throw Error(ErrorKind::unavailable, "the daemon ends");
    if (connection) co_return false;
    auto reach = [options = process, may_start] { return reach_port_process(options, may_start); };
    UniqueFd socket = co_await async::run_blocking(std::move(reach));
    if (!socket || closed) co_return true;
    connection = std::make_shared<async::Descriptor>(context, std::move(socket));
    context.spawn("the process that holds published ports", watch(shared_from_this(), connection));
    co_return true;
}

void PortHolder::State::drop_connection() {
    if (!connection) return;
    connection->close();
    connection.reset();
    if (told && !closed)
        log::warning(
            "lost the process that holds published ports; starting another one unless it comes back");
    told = false;
}

/// Notices the end of a process that nobody asks.
async::Task<void> PortHolder::State::watch(std::shared_ptr<State> self, Connection watched) {
    try {
        co_await watched->wait_hangup();
    } catch (const Error&) {
        co_return;  // closed here
    }
    async::Semaphore::Permit permit = co_await self->turn.acquire();
    if (self->connection != watched || self->closed) co_return;
    self->drop_connection();
    if (!self->table.empty()) co_await self->push_logged({});
}

async::Task<void> PortHolder::State::request(std::string op, json::Array ports) {
    json::Object body{{"op", op}, {"ports", std::move(ports)}};
    co_await call(std::move(body));
}

/// The answer's "ok". Throws the answer's error, or Gone.
async::Task<json::Object> PortHolder::State::call(json::Object body) {
    Connection used = connection;
    if (!used) throw Gone{};
    int64_t id = next_id++;
    body["id"] = id;
    auto answer = std::make_shared<json::Object>();
    async::Task<void> exchanged = exchange(used, json::print(body), id, answer);
    try {
        co_await async::with_timeout(process.answer_limit, "the process that holds published ports",
                                     std::move(exchanged));
    } catch (const Error&) {
        // It may still answer: not to another request.
        if (connection == used) drop_connection();
        throw;
    }
    if (const json::Value* error = answer->if_contains("error"); error != nullptr && error->is_object())
        throw_refusal(error->get_object());
    const json::Value* ok = answer->if_contains("ok");
    if (ok == nullptr || !ok->is_object()) co_return json::Object{};
    co_return ok->get_object();
}

async::Task<void> PortHolder::State::exchange(Connection used, std::string text, int64_t id,
                                              std::shared_ptr<json::Object> answer) {
    PortSend sent = send_port_message(used->fd(), text);
    while (sent == PortSend::full) {
        co_await used->wait_writable();
        sent = send_port_message(used->fd(), text);
    }
    if (sent == PortSend::gone) throw Gone{};
    while (true) {
        std::optional<std::string> message = receive_port_message(used->fd());
        if (!message) {
            co_await used->wait_readable();
            continue;
        }
        if (message->empty()) throw Gone{};
        json::Value value = json::parse(*message);
        if (!value.is_object()) continue;
        const json::Value* its = value.get_object().if_contains("id");
        if (its == nullptr || !its->is_int64() || its->get_int64() != id) continue;
        *answer = std::move(value.get_object());
        co_return;
    }
}

// --- PortHolder ---

PortHolder::PortHolder(async::Context& context, Options options)
    : state_(std::make_shared<State>(context, std::move(options))) {}

PortHolder::~PortHolder() {
    state_->closed = true;
    if (state_->connection) state_->connection->close();
}

async::Task<void> PortHolder::hold(std::vector<HeldPort> ports) {
    if (ports.empty()) co_return;
    auto job = std::make_shared<Job>(state_->context);
    job->ports = std::move(ports);
    async::Task<void> performed = State::perform_hold(state_, job);
    co_await State::wait_for(state_, job, std::move(performed));
}

async::Task<void> PortHolder::release(std::vector<HeldPort> ports) {
    if (ports.empty()) co_return;
    auto job = std::make_shared<Job>(state_->context);
    job->ports = std::move(ports);
    async::Task<void> performed = State::perform_release(state_, job);
    co_await State::wait_for(state_, job, std::move(performed));
}

async::Task<void> PortHolder::restore(std::vector<HeldPort> ports) {
    auto job = std::make_shared<Job>(state_->context);
    job->ports = std::move(ports);
    async::Task<void> performed = State::perform_restore(state_, job);
    co_await State::wait_for(state_, job, std::move(performed));
}

}  // namespace berth::net
