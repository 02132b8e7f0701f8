// SPDX-License-Identifier: Apache-2.0
#include "runtime/container.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "runtime/hooks.h"
#include "runtime/intel_rdt.h"
#include "runtime/launcher.h"
#include "runtime/resources.h"
#include "runtime/validate.h"
#include "sys/file.h"

namespace berth::runtime {

namespace {

constexpr std::chrono::seconds kExitTimeout(10);

Error does_not_exist(const std::string& id) {
    return make_error(ErrorKind::not_found, "container does not exist: {}", id);
}

bool wait_readable(int fd, std::chrono::milliseconds timeout) {
    pollfd poll{fd, POLLIN, 0};
    return sys::retry([&] { return ::poll(&poll, 1, static_cast<int>(timeout.count())); }) > 0;
}

}  // namespace

std::string default_root() {
    const char* runtime_dir = ::getenv("XDG_RUNTIME_DIR");
    if (::geteuid() != 0 && runtime_dir != nullptr && *runtime_dir != '\0')
        return std::string(runtime_dir) + "/berth-oci";
    return "/run/berth-oci";
}

std::string_view to_string(Status status) {
    switch (status) {
        case Status::creating: return "creating";
        case Status::created: return "created";
        case Status::running: return "running";
        case Status::paused: return "paused";
        case Status::stopped: return "stopped";
    }
    return "stopped";
}

Container::Container(Settings settings, StateRecord record)
    : settings_(std::move(settings)), record_(std::move(record)) {
    if (!record_.cgroupPaths.empty()) cgroup_ = sys::Cgroup::open(record_.cgroupPaths);
}

Container Container::load(const Settings& settings, const std::string& id) {
    validate_id(id);
    std::optional<UniqueFd> dir = find_state_dir(settings.root, id);
    if (!dir) throw does_not_exist(id);
    std::optional<StateRecord> record = load_state(dir->get());
    if (!record) throw does_not_exist(id);
    return Container(settings, std::move(*record));
}

std::vector<std::string> Container::list(const Settings& settings) {
    std::optional<UniqueFd> root = sys::try_open_at(AT_FDCWD, settings.root, O_RDONLY | O_DIRECTORY);
    if (!root) return {};
    std::vector<std::string> ids = sys::list_dir(root->get());
    std::erase_if(ids, [](const std::string& name) { return name.starts_with('@'); });  // no id begins so
    std::sort(ids.begin(), ids.end());
    return ids;
}

UniqueFd Container::open_state_dir() const {
    std::optional<UniqueFd> dir = find_state_dir(settings_.root, record_.id);
    if (!dir) throw does_not_exist(record_.id);
    return std::move(*dir);
}

const spec::Config& Container::config() const {
    if (!config_) {
        config_ = spec::decode_config(sys::read_file_at(open_state_dir().get(), kConfigFile));
        if (!config_->linux_) config_->linux_.emplace();
    }
    return *config_;
}

bool Container::init_alive() const {
    if (record_.pid == 0) return false;
    // The pidfd is readable once all threads have ended (a thread group's leader may go before the others).
    std::optional<UniqueFd> pidfd = sys::open_pidfd(record_.pid);
    if (!pidfd || wait_readable(pidfd->get(), std::chrono::milliseconds(0))) return false;
    std::optional<sys::ProcessStat> stat = sys::process_stat(record_.pid);
    return stat && stat->start_time == record_.pidStartTime;
}

Status Container::status() const {
    if (record_.pid == 0) return Status::creating;
    if (!init_alive()) return Status::stopped;
    if (cgroup_ && cgroup_->frozen()) return Status::paused;
    // The file may have outlived a `start` that was killed; whether the process waits is seen by asking it.
    return somebody_waits(open_state_dir().get()) ? Status::created : Status::running;
}

spec::State Container::state() const {
    Status now = status();
    spec::State state;
    state.ociVersion = config().ociVersion;
    state.id = record_.id;
    state.status = to_string(now);
    state.pid = now == Status::stopped ? 0 : record_.pid;
    state.bundle = record_.bundle;
    state.annotations = config().annotations;
    return state;
}

sys::Cgroup& Container::need_cgroup(std::string_view what) {
    if (!cgroup_) throw make_error(ErrorKind::unavailable, "{}: the container has no cgroup", what);
    return *cgroup_;
}
const sys::Cgroup& Container::need_cgroup(std::string_view what) const {
    return const_cast<Container*>(this)->need_cgroup(what);
}

void Container::start(Created* created) {
    bool attached = created != nullptr && created->start_sync;
    UniqueFd sync;
    if (attached) {
        sync = std::move(created->start_sync);
    } else {
        if (Status now = status(); now != Status::created)
            throw make_error(ErrorKind::conflict, "cannot start a container that is {}", to_string(now));
        std::optional<UniqueFd> connection = connect_to_start(open_state_dir().get());
        if (!connection)
            throw Error(ErrorKind::conflict,
                        "cannot start a container whose first process has ended or was started");
        sync = std::move(*connection);
    }
    if (config().hooks && !config().hooks->startContainer.empty()) {
        try {
            run_start_container_hooks();
        } catch (...) {
            kill(SIGKILL);
            throw;
        }
    }
    sys::check(::send(sync.get(), &launch::kGo, 1, MSG_NOSIGNAL), "start");
    finish_start(sync.get());
    if (!config().hooks || config().hooks->poststart.empty()) return;
    try {
        run_hooks(config().hooks->poststart, "poststart", state());
    } catch (...) {
        kill(SIGKILL);
        throw;
    }
}

void Container::finish_start(int sync) {
    auto forget_socket = [&] { ::unlinkat(open_state_dir().get(), kStartSocket, 0); };
    try {
        PlanBuilder words;
        words.set_program(config().process->args, {});
        await_execution(sync, words, [&](const launch::Report& report) {
            pass_listener(record_.pid, report, *config().linux_->seccomp, state());
        });
    } catch (...) {
        forget_socket();
        // It may still wait for an answer that will not come.
        if (std::optional<UniqueFd> pidfd = sys::open_pidfd(record_.pid); pidfd && init_alive())
            sys::send_signal(pidfd->get(), SIGKILL);
        throw;
    }
    forget_socket();
}

void Container::kill(int signal, bool all) {
    Status now = status();
    if (now == Status::stopped && !(all && cgroup_ && !cgroup_->empty()))
        throw make_error(ErrorKind::conflict, "container not running: {}", record_.id);
    if (now == Status::creating)
        throw make_error(ErrorKind::conflict, "container is being created: {}", record_.id);
    bool own_pid_namespace = false;
    for (const spec::Namespace& item : config().linux_->namespaces)
        own_pid_namespace = own_pid_namespace || (item.type == spec::NamespaceType::pid && item.path.empty());
    // Without a pid namespace of its own the death of the first process doesn't end the others.
    if (cgroup_ && (all || (signal == SIGKILL && !own_pid_namespace))) {
        cgroup_->kill(signal);
        return;
    }
    std::optional<UniqueFd> pidfd = sys::open_pidfd(record_.pid);
    if (!pidfd || !init_alive() || !sys::send_signal(pidfd->get(), signal))
        throw make_error(ErrorKind::conflict, "container not running: {}", record_.id);
    if (signal == SIGKILL && now == Status::paused) cgroup_->thaw();  // v1: what is frozen can't die
}

void Container::pause() {
    if (Status now = status(); now != Status::running && now != Status::created)
        throw make_error(ErrorKind::conflict, "container not running: it is {}", to_string(now));
    need_cgroup("pause").freeze();
}

void Container::resume() {
    if (Status now = status(); now != Status::paused)
        throw make_error(ErrorKind::conflict, "container not paused: it is {}", to_string(now));
    need_cgroup("resume").thaw();
}

void Container::remove_cgroup() {
    if (!cgroup_) return;
    if (record_.pid != 0) {
        if (!cgroup_->empty()) cgroup_->kill(SIGKILL);
        cgroup_->remove();
        return;
    }
    // Half-made: the paths were recorded before it was certain that they are ours alone, so nothing in there
    // is killed. What was cloned dies with the process that made it.
    try {
        cgroup_->remove();
    } catch (const Error& error) {
        log::warning("container {}: {}", record_.id, error.what());
    }
}

void Container::remove(bool force) {
    Status now = status();
    if (now != Status::stopped && now != Status::created && !force)
        throw make_error(ErrorKind::conflict, "cannot delete container {} that is not stopped: {}",
                         record_.id, to_string(now));
    if (record_.pid != 0) {
        std::optional<UniqueFd> pidfd = sys::open_pidfd(record_.pid);
        if (pidfd && init_alive()) {
            sys::send_signal(pidfd->get(), SIGKILL);
            if (now == Status::paused) cgroup_->thaw();
            if (!wait_readable(pidfd->get(), kExitTimeout))
                throw make_error(ErrorKind::unavailable, "process {} of container {} doesn't end",
                                 record_.pid, record_.id);
        }
    }
    remove_cgroup();
    if (!record_.rdtGroup.empty())
        remove_intel_rdt({record_.rdtGroup, record_.rdtOwned, record_.rdtMonitoring});
    std::vector<spec::Hook> poststop;
    spec::State last;
    try {
        if (config().hooks) poststop = config().hooks->poststop;
        if (!poststop.empty()) {
            last = state();
            last.status = "stopped";
        }
    } catch (const Error&) {
        if (!force) throw;  // half-made: there may be no config.json
    }
    remove_state_dir(settings_.root, record_.id);
    run_hooks_leniently(poststop, "poststop", last);
}

void Container::remove_forced(const Settings& settings, const std::string& id) {
    validate_id(id);
    std::optional<UniqueFd> dir = find_state_dir(settings.root, id);
    if (!dir) return;
    std::optional<StateRecord> record;
    try {
        record = load_state(dir->get());
    } catch (const Error& error) {
        log::warning("container {}: {}", id, error.what());
    }
    if (record)
        Container(settings, std::move(*record)).remove(true);
    else
        remove_state_dir(settings.root, id);  // nothing else was made yet
}

void Container::update(const spec::Resources& resources) {
    validate_resources(resources);
    if (Status now = status(); now == Status::stopped || now == Status::creating)
        throw make_error(ErrorKind::conflict, "container not running: it is {}", to_string(now));
    update_resources(need_cgroup("update"), resources);
}

Stats Container::stats() const {
    return sample_stats(need_cgroup("stats"));
}

std::vector<pid_t> Container::processes() const {
    return need_cgroup("ps").processes();
}

std::optional<int> exec_exit_code(const Error& error) {
    const ExecError* failed = dynamic_cast<const ExecError*>(&error);
    return failed != nullptr ? std::optional(failed->exit_code()) : std::nullopt;
}

}  // namespace berth::runtime
