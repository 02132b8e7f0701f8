// SPDX-License-Identifier: Apache-2.0
#include "shim/execs.h"

#include <algorithm>

#include "base/strings.h"
#include "shim/protocol.h"
#include "sys/file.h"

namespace berth::shim {

namespace {

/// The shim has one thread: an exec that the container holds up must not stop its log for long.
constexpr std::chrono::seconds kSetupTimeout(30);

}  // namespace

class Execs::Exec final : public StdioListener {
  public:
    enum class Phase { running, draining, ended };

    Exec(Execs& execs, Loop& loop, std::string id, bool stdin_once)
        : stdio(loop, *this, stdin_once), execs_(execs) {
        exit.id = std::move(id);
    }

    void output(Stream, std::string_view, int64_t) override {}
    void output_ended(Stream) override {}
    void client_dropped(uint64_t attachment, uint64_t bytes) override {
        execs_.owner_.exec_client_dropped(exit.id, attachment, bytes);
    }
    void drained() override { execs_.finished(*this); }
    void detached() override { execs_.forget_if_done(*this); }

    Stdio stdio;
    sys::Child process;
    ExecExit exit;
    Phase phase = Phase::running;
    std::vector<Waiter> waiters;

  private:
    Execs& execs_;
};

json::Object encode_exec_exit(const ExecExit& exit) {
    return {{"exec", exit.id},
            {"pid", exit.pid},
            {"code", exit.status.code},
            {"signal", exit.status.signal},
            {"time", rfc3339(exit.time_ns)},
            {"time_ns", exit.time_ns}};
}

Execs::Execs(Loop& loop, Server& server, Owner& owner) : loop_(loop), server_(server), owner_(owner) {}
Execs::~Execs() = default;

pid_t Execs::start(runtime::Container& container, ExecRequest request, uint64_t attachment) {
    Exec* same = find(request.id);
    if (same != nullptr && same->phase != Exec::Phase::ended)
        throw make_error(ErrorKind::conflict, "exec {} is running already", request.id);

    AttachRequest& streams = request.streams;
    bool console = request.process.terminal;
    bool framed = streams.framing != Framing::raw;
    auto exec = std::make_unique<Exec>(*this, loop_, request.id, !streams.hold_stdin);
    runtime::ExecOptions options;
    options.setup_timeout = kSetupTimeout;
    options.process = std::move(request.process);
    options.keep_console = console;
    Stdio::ProcessEnds ends;
    if (request.direct && !console) {
        ends = exec->stdio.open_pipes(false, false, false);
        if (streams.source) ends.fds[0] = std::move(streams.source);
        if (streams.out) ends.fds[1] = std::move(streams.out);
        if (streams.err) ends.fds[2] = std::move(streams.err);
        request.wants_attachment = false;
    } else if (!console) {
        ends = exec->stdio.open_pipes(static_cast<bool>(streams.source) || streams.hold_stdin,
                                      static_cast<bool>(streams.out), streams.err || (framed && streams.out));
    }
    if (!console) options.stdio = ends.numbers();

    runtime::Executed executed;
    try {
        executed = container.exec(options);
    } catch (const Error& error) {
        if (std::optional<int> code = runtime::exec_exit_code(error)) throw ProgramError(error, *code);
        throw;
    }
    ends = {};
    exec->process = std::move(executed.process);
    exec->exit.pid = exec->process.pid();
    if (executed.console_master) exec->stdio.use_console(std::move(executed.console_master));
    // Attached before anything is read: nothing is lost.
    if (request.wants_attachment) exec->stdio.attach(attachment, std::move(streams));
    exec->stdio.run();
    pid_t pid = exec->exit.pid;
    execs_.push_back(std::move(exec));
    return pid;
}

bool Execs::reaped(pid_t pid, int wait_status) {
    auto found =
        std::ranges::find_if(execs_, [&](auto& exec) { return exec->process && exec->process.pid() == pid; });
    if (found == execs_.end()) return false;
    Exec& exec = **found;
    (void)exec.process.release();
    exec.exit.status = sys::exit_status(wait_status);
    exec.exit.time_ns = now_ns();
    exec.phase = Exec::Phase::draining;
    exec.stdio.drain();
    return true;
}

void Execs::finished(Exec& exec) {
    exec.phase = Exec::Phase::ended;
    std::erase_if(ended_, [&](const ExecExit& e) { return e.id == exec.exit.id; });
    if (ended_.size() >= kRemembered) ended_.pop_front();
    ended_.push_back(exec.exit);
    json::Object answer = encode_exec_exit(exec.exit);
    for (const Waiter& waiter : exec.waiters) server_.answer(waiter, answer);
    exec.waiters.clear();
    ExecExit exit = exec.exit;
    forget_if_done(exec);
    owner_.exec_exited(exit);
}

void Execs::forget_if_done(Exec& exec) {
    if (exec.phase != Exec::Phase::ended || exec.stdio.attachments() > 0) return;
    std::erase_if(execs_, [&](auto& e) { return e.get() == &exec; });
    owner_.exec_forgotten();
}

Execs::Exec* Execs::find(const std::string& id) noexcept {
    // The newest of that name: an ended one may still be delivering.
    auto found =
        std::find_if(execs_.rbegin(), execs_.rend(), [&](auto& exec) { return exec->exit.id == id; });
    return found == execs_.rend() ? nullptr : found->get();
}

Execs::Exec& Execs::get(const std::string& id) {
    if (Exec* exec = find(id)) return *exec;
    throw make_error(ErrorKind::not_found, "no such exec: {}", id);
}

Stdio& Execs::stdio(const std::string& id) {
    return get(id).stdio;
}

void Execs::signal(const std::string& id, int number) {
    Exec& exec = get(id);
    if (!exec.process) throw make_error(ErrorKind::conflict, "exec {} has ended", id);
    exec.process.signal(number);
}

std::optional<ExecExit> Execs::wait(const std::string& id, const Waiter& waiter) {
    Exec* exec = find(id);
    if (exec != nullptr && exec->phase != Exec::Phase::ended) {
        exec->waiters.push_back(waiter);
        return std::nullopt;
    }
    auto found = std::ranges::find(ended_, id, &ExecExit::id);
    if (found == ended_.end()) throw make_error(ErrorKind::not_found, "no such exec: {}", id);
    return *found;
}

bool Execs::detach(uint64_t attachment) {
    return std::ranges::any_of(execs_, [&](auto& exec) { return exec->stdio.detach(attachment); });
}

size_t Execs::unfinished() const noexcept {
    return static_cast<size_t>(
        std::ranges::count_if(execs_, [](auto& exec) { return exec->phase != Exec::Phase::ended; }));
}

size_t Execs::attachments() const noexcept {
    size_t total = 0;
    for (auto& exec : execs_) total += exec->stdio.attachments();
    return total;
}

void Execs::drop_stalled() {
    // A drop may forget its exec.
    for (auto it = execs_.begin(); it != execs_.end();) (*it++)->stdio.drop_stalled();
}

void Execs::drop_all() noexcept {
    for (auto& exec : execs_) exec->stdio.drop_all();
}

json::Array Execs::list() const {
    json::Array array;
    for (auto& exec : execs_) {
        array.push_back(json::Object{{"exec", exec->exit.id},
                                     {"pid", exec->exit.pid},
                                     {"running", exec->phase == Exec::Phase::running}});
    }
    return array;
}

}  // namespace berth::shim
