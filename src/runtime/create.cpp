// SPDX-License-Identifier: Apache-2.0
// Container::create. What is made, in this order, so that each thing is recorded before it exists and undone
// if a later step fails: state directory → cgroup → process (with everything that dies with it) → hooks.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strings.h"
#include "launch/syscalls.h"
#include "runtime/container.h"
#include "runtime/hooks.h"
#include "runtime/id_mapping.h"
#include "runtime/intel_rdt.h"
#include "runtime/join.h"
#include "runtime/launcher.h"
#include "runtime/process_plan.h"
#include "runtime/resources.h"
#include "runtime/rootfs_plan.h"
#include "runtime/sysctl.h"
#include "runtime/terminal.h"
#include "runtime/validate.h"
#include "sys/file.h"
#include "sys/net_device.h"

namespace berth::runtime {

using spec::NamespaceType;

class Creation {
  public:
    Creation(const Settings& settings, const CreateOptions& options, Created& created)
        : settings_(settings), options_(options), created_(created), host_root_(is_host_root()) {}

    Container run() {
        read_config();
        state_dir_ = make_state_dir(settings_.root, options_.id);
        try {
            sys::write_file_atomic_at(state_dir_.get(), kConfigFile, config_text_);
            make_cgroup();
            plan();
            log::debug("container {}: {} operations planned", options_.id, builder_.finish().op_count);
            launch();
            log::debug("container {}: process {} waits for start", options_.id, launcher_->process().pid());
            return finish();
        } catch (...) {
            undo();
            throw;
        }
    }

  private:
    void read_config() {
        validate_id(options_.id);
        config_text_ = options_.config_text.empty() ? sys::read_file(options_.bundle + "/config.json")
                                                    : options_.config_text;
        config_ = with_context("config.json", [&] { return spec::decode_config(config_text_); });
        if (!config_.linux_) config_.linux_.emplace();
        validate(config_, {.bundle = options_.bundle,
                           .root_is_given = options_.rootfs.has_value(),
                           .rootless = !can_administer()});
        record_.id = options_.id;
        record_.bundle = options_.bundle;
        record_.rootfs = sys::clean_path(config_.root ? config_.root->path : "rootfs", options_.bundle);
        record_.noNewKeyring = options_.no_new_keyring;
        record_.owner = user_name(::geteuid());
        record_.created = now_ns();
        bool terminal = config_.process && config_.process->terminal;
        if (terminal && options_.console_socket.empty() && !options_.keep_console)
            throw Error(ErrorKind::invalid_argument,
                        "process.terminal: cannot allocate tty if nobody takes it, give --console-socket");
        if (!terminal && !options_.console_socket.empty())
            throw Error(ErrorKind::invalid_argument,
                        "a console socket was given, but process.terminal is false");
    }

    void make_cgroup() {
        try {
            record_.cgroupPaths = sys::Cgroup::locate(config_.linux_->cgroupsPath, options_.id).paths();
            save_state(state_dir_.get(), record_);
            cgroup_ = sys::Cgroup::create(config_.linux_->cgroupsPath, options_.id);
        } catch (const Error& error) {
            if (host_root_ || !config_.linux_->cgroupsPath.empty()) throw;
            log::warning("no cgroup for the container: {}", error.what());
            record_.cgroupPaths.clear();
            save_state(state_dir_.get(), record_);
            return;
        }
        apply_resources(*cgroup_, config_.linux_->resources.value_or(spec::Resources{}), host_root_);
    }

    const spec::Namespace* find(NamespaceType type) const {
        for (const spec::Namespace& item : config_.linux_->namespaces)
            if (item.type == type) return &item;
        return nullptr;
    }
    bool is_new(NamespaceType type) const {
        const spec::Namespace* item = find(type);
        return item != nullptr && item->path.empty();
    }
    bool is_joined(NamespaceType type) const {
        const spec::Namespace* item = find(type);
        return item != nullptr && !item->path.empty();
    }

    // --- the plan ---

    void plan() {
        plan_filter();
        plan_namespaces();
        rootfs_.bundle = options_.bundle;
        rootfs_.rootfs = record_.rootfs;
        rootfs_.cgroup = cgroup_ ? &*cgroup_ : nullptr;
        rootfs_.host_root = host_root_;
        rootfs_.in_user_namespace = in_user_namespace();
        rootfs_.own_cgroup_namespace = find(NamespaceType::cgroup) != nullptr;
        rootfs_.mount_namespace = find(NamespaceType::mount) != nullptr;
        rootfs_.no_pivot = options_.no_pivot;
        rootfs_.selinux = selinux_enabled();
        if (options_.rootfs) {
            created_.rootfs_mount =
                with_context("root file system", [&] { return make_rootfs_mount(*options_.rootfs); });
            rootfs_.rootfs_mount = created_.rootfs_mount.get();
        }
        if (!options_.console_socket.empty())
            rootfs_.console_socket = builder_.keep(connect_console_socket(options_.console_socket));
        plan_rootfs(builder_, config_, rootfs_, has_create_hooks());
        plan_enter_rootfs(builder_, config_, rootfs_);
        plan_sysctls();
        plan_policies(builder_, *config_.linux_);
        plan_start();
    }

    bool in_user_namespace() const { return !host_root_ || find(NamespaceType::user) != nullptr; }

    bool has_create_hooks() const {
        return config_.hooks && !(config_.hooks->prestart.empty() && config_.hooks->createRuntime.empty() &&
                                  config_.hooks->createContainer.empty());
    }

    void plan_filter() {
        if (!config_.linux_->seccomp) return;
        if (const std::string& agent = config_.linux_->seccomp->listenerPath; !agent.empty())
            with_context("linux.seccomp.listenerPath", [&] { check_socket(agent); });
        filter_ = SeccompCache(settings_.root + "/@seccomp").get(*config_.linux_->seccomp);
    }

    /// The agent is needed only at `start`; that it isn't there is better said now.
    static void check_socket(const std::string& path) {
        struct stat found{};
        sys::check(::stat(path.c_str(), &found), path);
        if (!S_ISSOCK(found.st_mode)) throw make_error(ErrorKind::invalid_argument, "{} is no socket", path);
    }

    /// What clone3 can create at once, it does. The rest depends on an order:
    /// - a pid namespace takes in only children, and a user namespace must be joined before the others are
    /// created in
    ///   it: then an intermediate process joins and clones (Plan::stage);
    /// - a new time namespace gets its offsets before anyone is in it: the same;
    /// - a cgroup namespace shows as its root the cgroup that one is in: after joining that.
    void plan_namespaces() {
        launch::Plan& plan = builder_.plan();
        for (const spec::Namespace& item : config_.linux_->namespaces)
            if (item.path.empty() && item.type != NamespaceType::cgroup && item.type != NamespaceType::time)
                plan.clone_flags |= static_cast<uint64_t>(clone_flag(item.type));
        bool joins = false;
        for (const spec::Namespace& item : config_.linux_->namespaces) joins = joins || !item.path.empty();
        bool new_user = is_new(NamespaceType::user);
        bool staged_time = is_new(NamespaceType::time) && host_root_;
        bool staged = is_joined(NamespaceType::pid) || is_joined(NamespaceType::user) || staged_time ||
                      (new_user && joins);

        builder_.add(launch::SetUmask{0}, "umask");
        plan_cgroup_join();
        if (staged) {
            // Before anything is joined: whoever is in there could trace what joins, and read the host
            // through it. Only where the mappings are written without root's rights must /proc/PID stay ours
            // until then.
            if (host_root_ || !new_user) builder_.add_stage(launch::HideFromPtrace{}, "prctl");
            builder_.add_stage(launch::OpenProc{}, "/proc");
            plan_joins(true);
            if (staged_time) plan_time_namespace(true);
        }
        if (new_user) {
            builder_.add(launch::Sync{launch::Phase::mapped, false}, "linux.uidMappings");
            builder_.add(launch::BecomeRoot{}, "linux.uidMappings");
        } else if (is_joined(NamespaceType::user)) {
            builder_.add(launch::BecomeRoot{}, "linux.namespaces");
        }
        // In namespaces that are all new nobody is there to look; without root's rights our own /proc/PID
        // would be closed to us, too.
        if (host_root_ || !new_user || is_joined(NamespaceType::pid))
            builder_.add(launch::HideFromPtrace{}, "prctl");
        builder_.add(launch::OpenProc{}, "/proc");
        if (!staged) plan_joins(false);
        if (is_new(NamespaceType::time) && !staged) plan_time_namespace(false);
        if (is_new(NamespaceType::cgroup))
            builder_.add(launch::Unshare{CLONE_NEWCGROUP}, "a new cgroup namespace");
        builder_.add(launch::NewSession{}, "setsid");
        if (!options_.no_new_keyring) builder_.add(launch::NewSessionKeyring{}, "a new session keyring");
        plan_identity();
    }

    void plan_cgroup_join() {
        if (!cgroup_) return;
        UniqueFd unified = cgroup_->unified_fd();
        bool clone_into = static_cast<bool>(unified);
        if (clone_into) builder_.plan().cgroup_fd = builder_.keep(std::move(unified));
        for (UniqueFd& fd : cgroup_->join_fds(!clone_into))
            builder_.add(launch::JoinCgroup{builder_.keep(std::move(fd))}, "joining the cgroup");
    }

    void plan_joins(bool staged) {
        // With root's rights the user namespace comes last: others may belong to the host's. Without them it
        // comes first, since it is what gives the right to join.
        auto add = [&](size_t index) {
            const spec::Namespace& item = config_.linux_->namespaces[index];
            if (item.path.empty()) return;
            launch::JoinNamespace join{builder_.keep(open_namespace(item, index)), clone_flag(item.type)};
            std::string label = fmt::format("linux.namespaces[{}].path ({})", index, item.path);
            // A cgroup namespace only after the cgroup: with nsdelegate the kernel hides the one from whoever
            // is in the other, CLONE_INTO_CGROUP then fails.
            bool before_clone = staged && item.type != NamespaceType::cgroup;
            before_clone ? builder_.add_stage(join, label) : builder_.add(join, label);
        };
        size_t user = config_.linux_->namespaces.size();
        for (size_t i = 0; i < config_.linux_->namespaces.size(); ++i)
            if (config_.linux_->namespaces[i].type == NamespaceType::user) user = i;
        bool has_user = user < config_.linux_->namespaces.size();
        if (has_user && !host_root_) add(user);
        for (size_t i = 0; i < config_.linux_->namespaces.size(); ++i)
            if (i != user) add(i);
        if (has_user && host_root_) add(user);
    }

    void plan_time_namespace(bool staged) {
        auto add = [&](const launch::Op& op) {
            staged ? builder_.add_stage(op, "linux.timeOffsets") : builder_.add(op, "linux.timeOffsets");
        };
        add(launch::Unshare{CLONE_NEWTIME});
        std::string text;
        for (const auto& [clock, offset] : config_.linux_->timeOffsets)
            text += fmt::format("{} {} {}\n", clock, offset.secs, offset.nanosecs);
        if (!text.empty())
            add(launch::WriteProc{"self/timens_offsets", builder_.keep(text), text.size(), false});
    }

    void plan_identity() {
        if (!config_.hostname.empty())
            builder_.add(launch::SetHostname{builder_.keep(config_.hostname), config_.hostname.size()},
                         "hostname");
        if (!config_.domainname.empty())
            builder_.add(launch::SetDomainname{builder_.keep(config_.domainname), config_.domainname.size()},
                         "domainname");
        if (is_new(NamespaceType::network)) builder_.add(launch::LoopbackUp{}, "the loopback device");
    }

    void plan_sysctls() {
        for (const auto& [name, value] : config_.linux_->sysctl) {
            std::string path = "sys/" + sysctl_path(name).value_or(name);
            builder_.add(launch::WriteProc{builder_.keep(path), builder_.keep(value), value.size(), false},
                         fmt::format("linux.sysctl.{} (\"{}\")", name, value));
        }
    }

    void plan_start() {
        const spec::Process& process = *config_.process;
        ProcessContext context;
        context.stdio = options_.stdio;
        context.preserve_fds = options_.preserve_fds;
        context.in_user_namespace = in_user_namespace();
        context.groups_required = host_root_;
        int listener = options_.attached ? -1 : builder_.keep(listen_for_start(state_dir_.get()));
        plan_wait(builder_, process, context, listener);
        plan_process(builder_, process, filter_ ? &*filter_ : nullptr, context);
    }

    // --- the process ---

    void launch() {
        launcher_.emplace(builder_);
        pid_t pid = launcher_->process().pid();
        write_oom_score(pid, *config_.process);
        if (is_new(NamespaceType::user)) {
            write_mappings(pid, {config_.linux_->uidMappings, config_.linux_->gidMappings});
            launcher_->go();
        }
        if (in_user_namespace() && host_root_) raise_rlimits(pid, *config_.process);
        if (config_.linux_->intelRdt) apply_rdt(pid);
        move_net_devices(pid);
        if (has_create_hooks()) {
            launcher_->expect(launch::Phase::create_runtime);
            hooks_ran_ = true;
            spec::State state = state_for_hooks(pid);
            run_hooks(config_.hooks->prestart, "prestart", state);
            run_hooks(config_.hooks->createRuntime, "createRuntime", state);
            run_hooks(config_.hooks->createContainer, "createContainer", state, pid);
            launcher_->go();
        }
        launcher_->expect(launch::Phase::ready);
        created_.console_master = launcher_->take_descriptor();
    }

    void apply_rdt(pid_t pid) {
        std::optional<RdtGroup> group = apply_intel_rdt(*config_.linux_->intelRdt, options_.id, pid);
        if (!group) return;
        record_.rdtGroup = group->group;
        record_.rdtOwned = group->owned;
        record_.rdtMonitoring = group->monitoring;
        save_state(state_dir_.get(), record_);
    }

    void move_net_devices(pid_t pid) {
        if (config_.linux_->netDevices.empty()) return;
        // A joined namespace is opened by its own path: the process may not have joined yet.
        const spec::Namespace* network = find(NamespaceType::network);
        bool joined = network != nullptr && !network->path.empty();
        UniqueFd target =
            sys::open_file(joined ? network->path : fmt::format("/proc/{}/ns/net", pid), O_RDONLY);
        for (const auto& item : config_.linux_->netDevices)
            with_context([&] { return "linux.netDevices." + item.first; },
                         [&] { sys::move_device(item.first, target.get(), item.second.name); });
    }

    spec::State state_for_hooks(pid_t pid) const {
        return {config_.ociVersion, options_.id, "creating", pid, options_.bundle, config_.annotations};
    }

    Container finish() {
        pid_t pid = launcher_->process().pid();
        record_.pid = pid;
        std::optional<sys::ProcessStat> stat = sys::process_stat(pid);
        if (!stat) throw Error(ErrorKind::internal, "the container's first process is gone");
        record_.pidStartTime = stat->start_time;
        save_state(state_dir_.get(), record_);
        if (!options_.pid_file.empty()) write_pid_file(options_.pid_file, pid);
        if (!options_.attached) launcher_->go();

        created_.init = std::move(launcher_->process());
        created_.start_sync = std::move(launcher_->sync());
        Container container(settings_, std::move(record_));
        container.config_ = std::move(config_);
        return container;
    }

    /// Keeps quiet about its own failures: the first one is what the caller must hear.
    void undo() noexcept {
        try {
            launcher_.reset();
            created_ = Created{};
            if (!record_.rdtGroup.empty())
                remove_intel_rdt({record_.rdtGroup, record_.rdtOwned, record_.rdtMonitoring});
            if (cgroup_) {
                cgroup_->kill(SIGKILL);
                cgroup_->remove();
            }
        } catch (const std::exception& error) {
            log::warning("undoing the creation of container {}: {}", options_.id, error.what());
        }
        try {
            remove_state_dir(settings_.root, options_.id);
        } catch (const std::exception& error) {
            log::warning("undoing the creation of container {}: {}", options_.id, error.what());
        }
        if (!hooks_ran_) return;
        spec::State state = state_for_hooks(0);
        state.status = "stopped";
        run_hooks_leniently(config_.hooks->poststop, "poststop", state);
    }

    const Settings& settings_;
    const CreateOptions& options_;
    Created& created_;
    bool host_root_;
    std::string config_text_;
    spec::Config config_;
    StateRecord record_;
    UniqueFd state_dir_;
    std::optional<sys::Cgroup> cgroup_;
    std::optional<CompiledFilter> filter_;
    RootfsContext rootfs_;
    PlanBuilder builder_;
    std::optional<Launcher> launcher_;
    bool hooks_ran_ = false;
};

Container Container::create(const Settings& settings, const CreateOptions& options, Created& created) {
    return Creation(settings, options, created).run();
}

}  // namespace berth::runtime
