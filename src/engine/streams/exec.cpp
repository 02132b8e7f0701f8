// SPDX-License-Identifier: Apache-2.0
#include "engine/streams/exec.h"

#include <fcntl.h>

#include <algorithm>
#include <map>

#include "base/base64.h"
#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "engine/oci/exec_process.h"
#include "engine/streams/client_streams.h"
#include "engine/streams/detach_keys.h"
#include "shim/protocol.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

constexpr std::chrono::minutes kRemembered(5);
constexpr std::chrono::seconds kStartTimeout(10);
/// What a shell says of a program that it found but can't execute, and of one that it didn't find.
constexpr int kNotExecutable = 126;
/// Of a process that went with its shim.
constexpr int kKilled = 137;

using Clock = std::chrono::steady_clock;

struct Exec {
    std::string id;
    std::weak_ptr<Container> container;
    std::string container_id;
    spec::api::ExecCreateRequest request;
    std::string keys;  ///< the detach keys' bytes, "" where none were given
    bool started = false;
    bool running = false;
    int pid = 0;
    std::optional<int> exit_code;
    Clock::time_point ended;
    std::shared_ptr<shim::AsyncClient> shim;  ///< from its start to its end
};

/// "exec_create: ls -l", with the blank that dockerd leaves where there are no arguments.
std::string action_of(std::string_view verb, const Exec& exec) {
    const std::vector<std::string>& command = spec::api::items(exec.request.Cmd);
    std::vector<std::string> arguments(command.begin() + 1, command.end());
    return fmt::format("{}: {} {}", verb, command.front(), join(arguments, " "));
}

/// Throws conflict unless a process can join now.
void check_running(const Container& container) {
    const std::string& id = container.id();
    if (container.is_paused())
        throw make_error(ErrorKind::conflict, "Container {} is paused, unpause the container before exec",
                         id);
    if (container.state().status == ContainerStatus::restarting)
        throw make_error(ErrorKind::conflict,
                         "Container {} is restarting, wait until the container is running", id);
    if (!container.is_running()) throw make_error(ErrorKind::conflict, "container {} is not running", id);
}

std::optional<spec::Box> console_size(const std::optional<std::vector<uint64_t>>& first,
                                      const std::optional<std::vector<uint64_t>>& second) {
    const auto& size = first && first->size() == 2 ? first : second;
    if (!size || size->size() != 2) return std::nullopt;
    return spec::Box{(*size)[0], (*size)[1]};
}

/// What the process's execution answered, as runc says it to Docker.
Error execution_error(const shim::ProgramError& error) {
    return make_error(ErrorKind::invalid_argument,
                      "OCI runtime exec failed: exec failed: unable to start container process: {}: unknown",
                      error.what());
}

}  // namespace

struct Execs::State : std::enable_shared_from_this<State> {
    explicit State(Dependencies given) : dependencies(std::move(given)), started(dependencies.control) {}

    std::shared_ptr<Exec> get(std::string_view id) const {
        auto found = execs.find(id);
        if (found == execs.end()) throw make_error(ErrorKind::not_found, "No such exec instance: {}", id);
        return found->second;
    }
    std::shared_ptr<Container> container_of(const Exec& exec) const {
        auto container = exec.container.lock();
        if (!container || container->state().status == ContainerStatus::removing)
            throw make_error(ErrorKind::not_found, "No such container: {}", exec.container_id);
        return container;
    }

    void publish(const Exec& exec, std::string action, std::map<std::string, std::string> more = {}) {
        auto container = exec.container.lock();
        if (!container) return;
        more["execID"] = exec.id;
        dependencies.publish(*container, std::move(action), std::move(more));
    }

    void add(std::shared_ptr<Exec> exec, Container& container) {
        container.exec_ids.push_back(exec->id);
        execs[exec->id] = std::move(exec);
        if (std::exchange(reaping, true)) return;
        dependencies.control.spawn("execs", reap(weak_from_this(), dependencies.control));
    }

    /// It ended, or could not begin.
    void end(Exec& exec, int code) {
        exec.running = false;
        exec.exit_code = code;
        exec.shim = nullptr;
        exec.ended = Clock::now();
        if (auto container = exec.container.lock()) std::erase(container->exec_ids, exec.id);
    }

    void forget_old() {
        std::erase_if(execs, [](auto& entry) {
            const Exec& exec = *entry.second;
            bool old = exec.exit_code && Clock::now() - exec.ended > kRemembered;
            return old || exec.container.expired();
        });
    }

    static async::Task<void> reap(std::weak_ptr<State> weak, async::Context&) {
        while (true) {
            co_await async::sleep_for(kRemembered / 5);
            auto state = weak.lock();
            if (!state) co_return;
            state->forget_old();
            if (!state->execs.empty()) continue;
            state->reaping = false;
            co_return;
        }
    }

    /// Marks it as started; the checks and this have no wait between them.
    void claim(Exec& exec) {
        check_running(*container_of(exec));
        if (exec.exit_code)
            throw make_error(ErrorKind::conflict, "Error: Exec command {} has already run", exec.id);
        if (exec.started)
            throw make_error(ErrorKind::conflict, "Error: Exec command {} is already running", exec.id);
        exec.started = true;
    }

    async::Task<std::string> process_of(std::shared_ptr<Exec> exec, spec::api::ExecStartRequest request);
    async::Task<void> run(std::shared_ptr<Exec> exec, spec::api::ExecStartRequest request,
                          std::shared_ptr<ClientStreams> client);
    static async::Task<void> await_end(std::shared_ptr<State> self, std::shared_ptr<Exec> exec,
                                       std::shared_ptr<shim::AsyncClient> shim);

    Dependencies dependencies;
    std::map<std::string, std::shared_ptr<Exec>, std::less<>> execs;
    async::Event started;  ///< set for a moment whenever one started or failed to
    bool reaping = false;
};

Execs::Execs(Dependencies dependencies) : state_(std::make_shared<State>(std::move(dependencies))) {}
Execs::~Execs() = default;

std::string Execs::create(std::string_view reference, spec::api::ExecCreateRequest request) {
    std::shared_ptr<Container> container = state_->dependencies.get_container(reference);
    check_running(*container);
    if (spec::api::items(request.Cmd).empty())
        throw Error(ErrorKind::invalid_argument, "No exec command specified");
    auto exec = std::make_shared<Exec>();
    if (!request.DetachKeys.empty()) exec->keys = parse_detach_keys(request.DetachKeys);
    exec->id = random_hex(32);
    exec->container = container;
    exec->container_id = container->id();
    exec->request = std::move(request);
    state_->add(exec, *container);
    state_->publish(*exec, action_of("exec_create", *exec));
    return exec->id;
}

void Execs::check_startable(std::string_view id) const {
    check_running(*state_->container_of(*state_->get(id)));
}

async::Task<std::string> Execs::State::process_of(std::shared_ptr<Exec> exec,
                                                  spec::api::ExecStartRequest request) {
    std::shared_ptr<Container> container = container_of(*exec);
    // Copies: the pool's thread shares nothing with this one.
    auto build = [id = container->id(), config = container->record().config,
                  host_config = container->record().host_config, wanted = exec->request,
                  daemon = dependencies.config, host = dependencies.host, pid = container->state().pid,
                  links = container->link_variables,
                  size = console_size(request.ConsoleSize, exec->request.ConsoleSize)] {
        UniqueFd root;
        if (pid > 0) root = sys::open_file(fmt::format("/proc/{}/root", pid), O_PATH | O_DIRECTORY);
        ExecInput input{id, config, host_config, wanted, daemon, host, root.get(), links};
        spec::Process process = build_exec_process(input);
        if (wanted.Tty && size) process.consoleSize = *size;
        return json::print(json::encode(process));
    };
    std::string text = co_await async::run_blocking(std::move(build));
    co_return text;
}

/// Starts a claimed exec. `client` may be null.
async::Task<void> Execs::State::run(std::shared_ptr<Exec> exec, spec::api::ExecStartRequest request,
                                    std::shared_ptr<ClientStreams> client) {
    std::shared_ptr<State> self = shared_from_this();
    std::exception_ptr failure;
    int code = kNotExecutable;
    try {
        publish(*exec, action_of("exec_start", *exec));
        std::string process = co_await process_of(exec, std::move(request));
        if (client) co_await client->until_head_read();
        std::shared_ptr<Container> container = container_of(*exec);
        std::shared_ptr<shim::AsyncClient> shim = container->shim();
        if (!shim) throw make_error(ErrorKind::conflict, "container {} is not running", container->id());
        exec->shim = shim;
        shim::Streams streams;
        if (client) streams = client->offer();
        // Posted, it asks the shim right behind the request below, and before anything that is asked later:
        // see inspect().
        dependencies.control.post(
            [self, exec, shim] { self->dependencies.control.spawn("exec", await_end(self, exec, shim)); });
        shim::ExecAnswer answer = co_await shim->exec(exec->id, std::move(process), streams);
        exec->pid = answer.pid;
        exec->running = true;
        if (client) client->taken();
    } catch (const shim::ProgramError& error) {
        code = error.exit_code();
        failure = std::make_exception_ptr(execution_error(error));
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) end(*exec, code);
    started.set();
    started.reset();
    if (failure) std::rethrow_exception(failure);
}

async::Task<void> Execs::State::await_end(std::shared_ptr<State> self, std::shared_ptr<Exec> exec,
                                          std::shared_ptr<shim::AsyncClient> shim) {
    int code = kKilled;
    try {
        shim::ExecResult result = co_await shim->exec_wait(exec->id);
        code = result.code;
    } catch (const Error&) {
        // It did not start; or the shim went away, and the process with it.
        if (!exec->running) co_return;
    }
    self->end(*exec, code);
    self->publish(*exec, "exec_die", {{"exitCode", std::to_string(code)}});
}

async::Task<void> Execs::start_detached(std::string id, spec::api::ExecStartRequest request) {
    std::shared_ptr<State> state = state_;
    std::shared_ptr<Exec> exec = state->get(id);
    state->claim(*exec);
    co_await state->run(exec, std::move(request), nullptr);
}

async::Task<void> Execs::start_attached(std::string id, spec::api::ExecStartRequest request,
                                        std::unique_ptr<async::Stream> client) {
    std::shared_ptr<State> state = state_;
    std::shared_ptr<Exec> exec = state->get(id);
    const auto& wanted = exec->request;
    StreamWishes wishes;
    wishes.in = wanted.AttachStdin;
    wishes.out = wanted.AttachStdout;
    wishes.err = wanted.AttachStderr;
    wishes.tty = wanted.Tty;
    wishes.framed = !request.Tty;
    wishes.half_close = true;
    wishes.detach_keys = exec->keys.empty() ? parse_detach_keys({}) : exec->keys;
    auto detached = [weak = std::weak_ptr(state), exec] {
        if (auto still = weak.lock()) still->publish(*exec, "exec_detach");
    };
    auto streams = std::make_shared<ClientStreams>(state->dependencies.control, state->dependencies.streams,
                                                   std::move(client), std::move(wishes), std::move(detached));
    std::string failure;
    try {
        state->claim(*exec);
        co_await state->run(exec, std::move(request), streams);
    } catch (const Error& error) {
        failure = error.what();
    }
    if (!failure.empty()) co_await streams->end_with(failure + "\r\n");
}

async::Task<void> Execs::resize(std::string id, uint16_t width, uint16_t height) {
    std::shared_ptr<State> state = state_;
    std::shared_ptr<Exec> exec = state->get(id);
    check_running(*state->container_of(*exec));
    auto until_started = [](std::shared_ptr<State> waiting,
                            std::shared_ptr<Exec> awaited) -> async::Task<void> {
        while (!awaited->running && !awaited->exit_code) co_await waiting->started.wait();
    };
    bool late = false;
    try {
        co_await async::with_timeout(kStartTimeout, "exec", until_started(state, exec));
    } catch (const Error&) {
        late = true;
    }
    if (late) throw Error(ErrorKind::internal, "timeout waiting for exec session ready");
    std::shared_ptr<shim::AsyncClient> shim = state->container_of(*exec)->shim();
    if (!exec->running || !shim) throw Error(ErrorKind::conflict, "exec process is not started");
    co_await shim->resize(width, height, id);
}

async::Task<spec::api::ExecInspect> Execs::inspect(std::string id) {
    std::shared_ptr<State> state = state_;
    std::shared_ptr<Exec> exec = state->get(id);
    (void)state->container_of(*exec);
    // A client that has read the end of the output asks for the exit code: the shim's word on it may still be
    // on its way, also where the container has ended, and comes before the answer to what is asked now.
    if (std::shared_ptr<shim::AsyncClient> shim = exec->shim; exec->started && !exec->exit_code && shim) {
        try {
            co_await shim->hello();
        } catch (const Error&) {
            // Gone: what is known is told.
        }
    }
    const std::vector<std::string>& command = spec::api::items(exec->request.Cmd);
    spec::api::ExecInspect view;
    view.ID = exec->id;
    view.Running = exec->running;
    view.ExitCode = exec->exit_code;
    view.ProcessConfig.tty = exec->request.Tty;
    view.ProcessConfig.entrypoint = command.front();
    view.ProcessConfig.arguments.assign(command.begin() + 1, command.end());
    view.ProcessConfig.privileged = exec->request.Privileged;
    view.ProcessConfig.user = exec->request.User;
    view.OpenStdin = exec->request.AttachStdin;
    view.OpenStdout = exec->request.AttachStdout;
    view.OpenStderr = exec->request.AttachStderr;
    view.ContainerID = exec->container_id;
    view.DetachKeys = encode_base64(exec->keys);
    view.Pid = exec->pid;
    co_return view;
}

}  // namespace berth::engine
