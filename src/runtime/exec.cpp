// SPDX-License-Identifier: Apache-2.0
// Container::exec: one more process in a container that runs, which may be hostile by now. An intermediate
// process joins all of the init process's namespaces with one setns(2) on its pidfd and clones the new one.
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "base/strings.h"
#include "runtime/container.h"
#include "runtime/hooks.h"
#include "runtime/id_mapping.h"
#include "runtime/join.h"
#include "runtime/launcher.h"
#include "runtime/process_plan.h"
#include "runtime/terminal.h"
#include "runtime/validate.h"
#include "sys/file.h"

namespace berth::runtime {

namespace {

std::vector<std::string> sub_cgroups(const ExecOptions& options) {
    std::vector<std::string> list;
    for (const auto& [controllers, path] : options.cgroup)
        list.push_back(controllers.empty() ? path : fmt::format("{}:{}", controllers, path));
    return list;
}

void plan_exec(PlanBuilder& builder, const Container& container, const ExecOptions& options, UniqueFd init,
               const CompiledFilter* filter) {
    pid_t pid = container.init_pid();
    int namespaces = differing_namespaces(pid);
    UniqueFd root = sys::open_file(fmt::format("/proc/{}/root", pid), O_PATH | O_DIRECTORY);

    // From the first moment in its namespaces the container could look at us, and we still hold the host's
    // descriptors.
    builder.add_stage(launch::HideFromPtrace{}, "prctl");
    builder.add_stage(launch::OpenProc{}, "/proc");
    int cgroup_namespace = namespaces & CLONE_NEWCGROUP;
    namespaces &= ~CLONE_NEWCGROUP;
    if (namespaces != 0)
        builder.add_stage(launch::JoinNamespace{builder.keep(std::move(init)), namespaces},
                          "joining the container's namespaces");

    if (container.cgroup()) {
        sys::Cgroup cgroup = options.cgroup.empty() ? container.cgroup()->for_exec(pid)
                                                    : container.cgroup()->below(sub_cgroups(options));
        UniqueFd unified = cgroup.unified_fd();
        bool clone_into = static_cast<bool>(unified);
        if (clone_into) builder.plan().cgroup_fd = builder.keep(std::move(unified));
        for (UniqueFd& fd : cgroup.join_fds(!clone_into))
            builder.add(launch::JoinCgroup{builder.keep(std::move(fd))}, "joining the cgroup");
    }
    // After the cgroup: with nsdelegate the kernel hides it from whoever is in the namespace
    // (CLONE_INTO_CGROUP).
    if (cgroup_namespace != 0) {
        UniqueFd fd = sys::open_file(fmt::format("/proc/{}/ns/cgroup", pid), O_RDONLY);
        builder.add(launch::JoinNamespace{builder.keep(std::move(fd)), CLONE_NEWCGROUP},
                    "joining the cgroup namespace");
    }
    bool in_user_namespace = (namespaces & CLONE_NEWUSER) != 0 || !is_host_root();
    if ((namespaces & CLONE_NEWUSER) != 0)
        builder.add(launch::BecomeRoot{}, "the container's user namespace");
    builder.add(launch::NewSession{}, "setsid");
    if (!container.keeps_keyring()) builder.add(launch::NewSessionKeyring{}, "a session keyring");
    builder.add(launch::ChangeRoot{builder.keep(std::move(root))}, "the container's root file system");

    const spec::Process& process = options.process;
    if (process.terminal) {
        launch::OpenConsole console{};
        console.socket = options.console_socket.empty()
                             ? -1
                             : builder.keep(connect_console_socket(options.console_socket));
        if (process.consoleSize) {
            console.rows = static_cast<uint16_t>(process.consoleSize->height);
            console.columns = static_cast<uint16_t>(process.consoleSize->width);
        }
        console.uid = process.user.uid;
        builder.add(console, "process.terminal");
    }
    plan_policies(builder, *container.config().linux_);
    ProcessContext context;
    context.program = options.program;
    context.stdio = options.stdio;
    context.preserve_fds = options.preserve_fds;
    context.in_user_namespace = in_user_namespace;
    context.groups_required = is_host_root();
    context.exec = true;
    plan_wait(builder, process, context, -1);
    plan_process(builder, process, filter, context);
}

/// What a process file doesn't say about its bounds is as for the container's own process.
void inherit_confinement(spec::Process& process, const spec::Process& own) {
    if (!process.capabilities) process.capabilities = own.capabilities;
    if (process.apparmorProfile.empty()) process.apparmorProfile = own.apparmorProfile;
    if (process.selinuxLabel.empty()) process.selinuxLabel = own.selinuxLabel;
    if (process.rlimits.empty()) process.rlimits = own.rlimits;
    if (!process.execCPUAffinity) process.execCPUAffinity = own.execCPUAffinity;
}

}  // namespace

Executed Container::exec(const ExecOptions& given) {
    ExecOptions options = given;
    inherit_confinement(options.process, *config().process);
    validate_process(options.process);
    bool terminal = options.process.terminal;
    if (terminal && options.console_socket.empty() && !options.keep_console)
        throw Error(ErrorKind::invalid_argument,
                    "cannot allocate tty if nobody takes it, give --console-socket");
    switch (Status now = status(); now) {
        case Status::stopped:
        case Status::creating:
            throw make_error(ErrorKind::conflict, "cannot exec in a container that is {}", to_string(now));
        case Status::paused:
            if (!options.ignore_paused)
                throw Error(ErrorKind::conflict,
                            "cannot exec in a paused container (use --ignore-paused to override)");
            break;
        case Status::created:
        case Status::running: break;
    }
    std::optional<UniqueFd> init = sys::open_pidfd(record_.pid);
    if (!init || !init_alive())
        throw Error(ErrorKind::conflict, "cannot exec in a container that is stopped");

    std::optional<CompiledFilter> filter;
    if (config().linux_->seccomp)
        filter = SeccompCache(settings_.root + "/@seccomp").get(*config().linux_->seccomp);
    PlanBuilder builder;
    plan_exec(builder, *this, options, std::move(*init), filter ? &*filter : nullptr);
    // What was opened by the number of the process is its own only if it is still there.
    if (!init_alive()) throw Error(ErrorKind::conflict, "cannot exec in a container that is stopped");

    Launcher launcher(builder, options.setup_timeout);
    pid_t pid = launcher.process().pid();
    write_oom_score(pid, options.process);
    if ((config().linux_->uidMappings.empty() == false) && is_host_root())
        raise_rlimits(pid, options.process);
    launcher.expect(launch::Phase::ready);
    UniqueFd master = launcher.take_descriptor();
    if (!options.pid_file.empty()) write_pid_file(options.pid_file, pid);
    launcher.go();
    await_execution(launcher.sync().get(), builder, [&](const launch::Report& report) {
        pass_listener(pid, report, *config().linux_->seccomp, state());
    });
    return {std::move(launcher.process()), std::move(master)};
}

/// They are the image's programs (their path is resolved in the container), so they run as its own process
/// would: same user, capabilities, labels, filter and cgroup.
void Container::run_start_container_hooks() {
    spec::State hook_state = state();
    hook_state.status = "created";
    const std::vector<spec::Hook>& hooks = config().hooks->startContainer;
    for (size_t i = 0; i < hooks.size(); ++i) {
        const spec::Hook& hook = hooks[i];
        with_context([&] { return fmt::format("hooks.startContainer[{}] ({})", i, hook.path); },
                     [&] {
                         ExecOptions options;
                         options.program = hook.path;
                         options.process = *config().process;
                         options.process.terminal = false;
                         options.process.args = hook.args.empty() ? std::vector{hook.path} : hook.args;
                         options.process.env = hook.env;
                         options.process.cwd = "/";
                         UniqueFd input = sys::memory_file("state", spec::encode_state(hook_state));
                         UniqueFd output = sys::memory_file("output", "");
                         sys::check(::fcntl(output.get(), F_SETFL, O_APPEND), "fcntl");
                         options.stdio = {input.get(), output.get(), output.get()};
                         Executed executed = exec(options);
                         auto limit = hook.timeout ? std::chrono::seconds(*hook.timeout)
                                                   : std::chrono::hours(24 * 365);
                         std::optional<sys::ExitStatus> status = executed.process.wait_for(limit);
                         if (!status)
                             throw make_error(ErrorKind::unavailable, "timed out after {} s", *hook.timeout);
                         sys::check(::lseek(output.get(), 0, SEEK_SET), "lseek");
                         check_hook_status(*status, sys::read_all(output.get(), "the hook's output"));
                     });
    }
}

}  // namespace berth::runtime
