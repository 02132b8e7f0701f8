// SPDX-License-Identifier: Apache-2.0
#include "shim/shim.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "base/log.h"
#include "base/strings.h"
#include "shim/memory.h"
#include "shim/protocol.h"
#include "sys/file.h"

namespace berth::shim {

namespace {

using namespace std::chrono_literals;

constexpr size_t kMaxParked = 64;
constexpr int kUnknownCode = 255;
constexpr int kStartFailedCode = 128;

int g_children_fd = -1;

/// A handler rather than a blocked signal: what is executed later inherits blocked and ignored signals, not
/// handlers.
void on_child(int) {
    int saved = errno;
    uint64_t one = 1;
    (void)!write(g_children_fd, &one, sizeof one);
    errno = saved;
}

std::string path_of(int directory) {
    std::string link = fmt::format("/proc/self/fd/{}", directory);
    std::string path(4096, '\0');
    ssize_t length = sys::check(readlink(link.c_str(), path.data(), path.size()), "readlink of the bundle");
    path.resize(static_cast<size_t>(length));
    return path;
}

std::string trimmed_proc_file(pid_t pid, std::string_view name) {
    std::string text = sys::try_read_file(fmt::format("/proc/{}/{}", pid, name)).value_or("");
    return std::string(trim(text));
}

bool has_own_pid_namespace(const spec::Config& config) {
    if (!config.linux_) return false;
    return std::ranges::any_of(config.linux_->namespaces, [](const spec::Namespace& ns) {
        return ns.type == spec::NamespaceType::pid && ns.path.empty();
    });
}

}  // namespace

std::string_view to_string(Shim::Phase phase) {
    switch (phase) {
        case Shim::Phase::created: return "created";
        case Shim::Phase::running: return "running";
        case Shim::Phase::draining:
        case Shim::Phase::ended: return "stopped";
    }
    return "stopped";
}

Shim::Shim(Loop& loop, UniqueFd directory, ShimOptions options)
    : loop_(loop),
      directory_(std::move(directory)),
      options_(std::move(options)),
      stdio_(loop, *this, options_.stdin_once),
      server_(loop, *this),
      execs_(loop, server_, *this) {
    settings_.root = options_.runtime_root.empty() ? runtime::default_root() : options_.runtime_root;
    settings_.systemd_cgroup = options_.systemd_cgroup;
    exit_.id = options_.id;
    exit_.code = kUnknownCode;
}

Shim::~Shim() {
    if (g_children_fd == children_.get()) signal(SIGCHLD, SIG_DFL);
}

// --- creating

void Shim::create() {
    log_ = open_log(log_options(options_.log, directory_.get()));
    watch_children();
    UniqueFd socket = listen_beneath(directory_.get(), kSocketName, 0600);
    try {
        Stdio::ProcessEnds ends = stdio_.open_pipes(options_.open_stdin, true, true);
        runtime::CreateOptions options;
        options.id = options_.id;
        options.bundle = path_of(directory_.get());
        if (options_.rootfs)
            options.rootfs = runtime::RootfsMount{options_.rootfs->type, options_.rootfs->source,
                                                  options_.rootfs->options};
        options.stdio = ends.numbers();
        options.keep_console = true;
        options.no_pivot = options_.no_pivot;
        options.no_new_keyring = options_.no_new_keyring;
        options.attached = true;
        container_ = runtime::Container::create(settings_, options, created_);
        ends = {};
        if (created_.console_master) stdio_.use_console(std::move(created_.console_master));
        exit_.pid = created_.init.pid();
        own_pid_namespace_ = has_own_pid_namespace(container_->config());
        stdio_.run();
        watch_oom();
        server_.listen(std::move(socket));
    } catch (...) {
        unlinkat(directory_.get(), kSocketName, 0);
        if (container_) release();
        throw;
    }
    loop_.on_idle([](void* self) { static_cast<Shim*>(self)->idle(); }, this);
    return_memory();
}

void Shim::hand_over(UniqueFd handshake, bool subscribed) {
    Connection& spawner = server_.add(std::move(handshake));
    if (subscribed) spawner.subscribe();
    spawner_ = spawner.id();
    json::Object ready = greeting();
    ready["ready"] = true;
    spawner.send(json::print(ready));
}

void Shim::connection_closed(uint64_t id) {
    if (id != spawner_) return;
    spawner_ = 0;
    if (options_.dies_with_client) return shut_down();
    if (taken_ || phase_ != Phase::created) return;
    log::warning("the process that asked for the container went away: it is removed");
    shut_down();
}

void Shim::watch_children() {
    children_ = UniqueFd(sys::check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd"));
    g_children_fd = children_.get();
    struct sigaction action{};
    action.sa_handler = on_child;
    action.sa_flags = SA_RESTART | SA_NOCLDSTOP;
    sys::check(sigaction(SIGCHLD, &action, nullptr), "sigaction");
    children_watch_.set<&Shim::children_changed>(loop_, children_.get(), EPOLLIN, this);
}

void Shim::children_changed(uint32_t) {
    uint64_t count = 0;
    (void)!read(children_.get(), &count, sizeof count);
    while (true) {
        int status = 0;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid <= 0) return;
        if (created_.init && pid == created_.init.pid()) {
            (void)created_.init.release();
            init_ended(sys::exit_status(status));
        } else if (!execs_.reaped(pid, status)) {
            log_->child_exited(pid);
        }
    }
}

// --- what requests ask for

json::Object Shim::greeting() const {
    json::Array features;
    for (std::string_view feature : kProtocolFeatures) features.push_back(json::Value(feature));
    return {{"major", kProtocolMajor},  {"minor", kProtocolMinor}, {"features", std::move(features)},
            {"version", BERTH_VERSION}, {"id", options_.id},       {"pid", exit_.pid},
            {"shim_pid", getpid()}};
}

json::Object Shim::state() const {
    std::string_view status = to_string(phase_);
    if (phase_ == Phase::running && is_paused()) status = "paused";
    json::Object state{{"id", options_.id},
                       {"status", status},
                       {"pid", phase_ == Phase::created || phase_ == Phase::running ? exit_.pid : 0},
                       {"tty", stdio_.has_console()},
                       {"stdin_open", stdio_.stdin_open()},
                       {"attachments", stdio_.attachments()},
                       {"execs", execs_.list()},
                       {"log_dropped", log_->dropped()},
                       {"oom_kills", oom_kills_}};
    json::Array parked;
    for (const auto& [name, fds] : parked_) parked.push_back(json::Value(name));
    state["parked"] = std::move(parked);
    if (phase_ == Phase::ended) state["exit"] = encode_exit(exit_);
    return state;
}

/// False where it can't be told: that a state can be asked for matters more.
bool Shim::is_paused() const {
    try {
        return container_->status() == runtime::Status::paused;
    } catch (const Error&) {
        return false;
    }
}

void Shim::require_alive() const {
    if (phase_ == Phase::created || phase_ == Phase::running) return;
    throw make_error(ErrorKind::conflict, "container {} has ended", options_.id);
}

runtime::Container& Shim::container() {
    require_alive();
    heavy_ = true;
    return *container_;
}

pid_t Shim::start() {
    require_alive();
    if (phase_ == Phase::running)
        throw make_error(ErrorKind::conflict, "container {} is running already", options_.id);
    try {
        container_->start(&created_);
    } catch (const Error& error) {
        exit_.error = error.what();
        std::optional<int> code = runtime::exec_exit_code(error);
        exit_.code = code.value_or(kStartFailedCode);
        created_.init.kill_and_reap();
        // The request is answered first.
        end_timer_.arm<&Shim::begin_to_end>(loop_, 0ms, this);
        if (code) throw ProgramError(error, *code);
        throw;
    }
    phase_ = Phase::running;
    exit_.started = true;
    heavy_ = true;
    server_.event({{"event", "started"}, {"pid", exit_.pid}});
    return exit_.pid;
}

void Shim::kill(int signal, bool all) {
    container().kill(signal, all);
}

Stdio& Shim::stdio(const std::string& exec) {
    return exec.empty() ? stdio_ : execs_.stdio(exec);
}

uint64_t Shim::attach(const std::string& exec, AttachRequest request) {
    uint64_t id = next_attachment_++;
    stdio(exec).attach(id, std::move(request));
    return id;
}

void Shim::detach(uint64_t attachment) {
    if (!stdio_.detach(attachment) && !execs_.detach(attachment))
        throw make_error(ErrorKind::not_found, "no such attachment: {}", attachment);
}

Shim::Started Shim::start_exec(ExecRequest request) {
    require_alive();
    if (phase_ != Phase::running)
        throw make_error(ErrorKind::conflict, "container {} is not running", options_.id);
    if (options_.oom_score_adj && !request.process.oomScoreAdj) {
        // It would inherit the shim's; it gets the container's.
        std::string text = trimmed_proc_file(exit_.pid, "oom_score_adj");
        request.process.oomScoreAdj = parse_number<int32_t>(text).value_or(0);
    }
    Started started;
    if (request.wants_attachment && !request.direct) started.attachment = next_attachment_++;
    started.pid = execs_.start(container(), std::move(request), started.attachment.value_or(0));
    return started;
}

std::optional<ExitRecord> Shim::wait(Waiter waiter) {
    if (phase_ == Phase::ended) return exit_;
    exit_waiters_.push_back(std::move(waiter));
    return std::nullopt;
}

bool Shim::remove(Waiter waiter, bool force) {
    if (phase_ == Phase::running && !force)
        throw make_error(ErrorKind::conflict, "container {} is running: stop it first, or force",
                         options_.id);
    if (released_) return true;
    remove_waiters_.push_back(std::move(waiter));
    if (phase_ == Phase::created || phase_ == Phase::running) kill_everything();
    return false;
}

void Shim::shut_down() {
    hurry_ = true;
    if (phase_ == Phase::created || phase_ == Phase::running) kill_everything();
    if (released_) linger();
}

void Shim::park(const std::string& name, std::vector<UniqueFd> fds) {
    size_t total = fds.size();
    for (const auto& [other, parked] : parked_) total += other == name ? 0 : parked.size();
    if (total > kMaxParked)
        throw make_error(ErrorKind::unavailable, "no more than {} descriptors can be parked", kMaxParked);
    if (fds.empty())
        parked_.erase(name);
    else
        parked_[name] = std::move(fds);
}

std::vector<UniqueFd> Shim::unpark(const std::string& name, bool keep) {
    auto found = parked_.find(name);
    if (found == parked_.end()) throw make_error(ErrorKind::not_found, "nothing is parked as {}", name);
    std::vector<UniqueFd> fds;
    if (keep) {
        for (const UniqueFd& fd : found->second) fds.push_back(fd.duplicate());
    } else {
        fds = std::move(found->second);
        parked_.erase(found);
    }
    return fds;
}

// --- streams, log

void Shim::output(Stream stream, std::string_view chunk, int64_t time_ns) {
    log_->append(stream, chunk, time_ns);
    if (log_->dropped() != reported_drops_ && !drops_timer_.armed()) report_log_drops();
}

void Shim::output_ended(Stream stream) {
    log_->flush(stream, now_ns());
}

void Shim::report_log_drops() {
    uint64_t dropped = log_->dropped();
    if (dropped == reported_drops_) return;
    server_.event({{"event", "log_dropped"},
                   {"records", dropped - reported_drops_},
                   {"error", errno_text(log_->last_error())}});
    if (reported_drops_ == 0) log::warning("log records are dropped: {}", errno_text(log_->last_error()));
    reported_drops_ = dropped;
    drops_timer_.arm<&Shim::report_log_drops>(loop_, 1s, this);
}

void Shim::client_dropped(uint64_t attachment, uint64_t bytes) {
    server_.event(
        {{"event", "client_dropped"}, {"attachment", attachment}, {"reason", "slow"}, {"bytes", bytes}});
}

void Shim::exec_client_dropped(const std::string& exec, uint64_t attachment, uint64_t bytes) {
    server_.event({{"event", "client_dropped"},
                   {"exec", exec},
                   {"attachment", attachment},
                   {"reason", "slow"},
                   {"bytes", bytes}});
}

void Shim::exec_exited(const ExecExit& exit) {
    json::Object event = encode_exec_exit(exit);
    event["event"] = "exec_exited";
    server_.event(event);
    finish_if_drained();
}

// --- out of memory

void Shim::watch_oom() {
    if (!container_->cgroup()) return;
    oom_ = container_->cgroup()->oom_events();
    if (oom_)
        oom_watch_.set<&Shim::oom_ready>(loop_, oom_->fd(), static_cast<uint32_t>(oom_->events()), this);
}

void Shim::oom_ready(uint32_t) {
    bool there = oom_->drain();
    count_oom_kills();
    if (there) return;
    oom_watch_.reset();
    oom_.reset();
}

void Shim::count_oom_kills() {
    if (!container_->cgroup()) return;
    uint64_t kills = container_->cgroup()->oom_kills().value_or(0);
    if (kills <= oom_kills_) return;
    oom_kills_ = kills;
    server_.event({{"event", "oom"}, {"kills", oom_kills_}});
}

void Shim::idle() {
    log_->idle();
    if (heavy_ && phase_ == Phase::running) {
        try {
            container_ = runtime::Container::load(settings_, options_.id);
            heavy_ = false;
        } catch (const Error& error) {
            log::warning("{}", error.what());
        }
    }
    return_memory();
}

}  // namespace berth::shim
