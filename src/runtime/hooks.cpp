// SPDX-License-Identifier: Apache-2.0
#include "runtime/hooks.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "runtime/join.h"
#include "sys/file.h"
#include "sys/process.h"

namespace berth::runtime {

namespace {

void run_hook(const spec::Hook& hook, const spec::State& state, pid_t target) {
    sys::SpawnOptions options;
    options.path = hook.path;
    options.argv = hook.args.empty() ? std::vector<std::string>{hook.path} : hook.args;
    options.env = hook.env;
    UniqueFd init;
    if (target != 0) {
        std::optional<UniqueFd> pidfd = sys::open_pidfd(target);
        if (!pidfd) throw Error(ErrorKind::internal, "the container's first process is gone");
        init = std::move(*pidfd);
        int flags = differing_namespaces(target);
        bool become_root = (flags & CLONE_NEWUSER) != 0;
        options.fork_again = (flags & CLONE_NEWPID) != 0;
        options.before_exec = [fd = init.get(), flags, become_root] {
            // Until exec we are the runtime, with its memory and descriptors: nothing for the container's
            // eyes.
            if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return errno;
            if (flags != 0 && ::setns(fd, flags) < 0) return errno;
            if (become_root && (::setresgid(0, 0, 0) < 0 || ::setresuid(0, 0, 0) < 0)) return errno;
            return 0;
        };
    }
    std::optional<std::chrono::milliseconds> timeout;
    if (hook.timeout) timeout = std::chrono::seconds(*hook.timeout);
    sys::Finished finished = sys::run(options, spec::encode_state(state), timeout);
    check_hook_status(finished.status, finished.output);
}

std::string hook_name(std::string_view name, size_t index, const spec::Hook& hook) {
    return fmt::format("hooks.{}[{}] ({})", name, index, hook.path);
}

}  // namespace

void check_hook_status(const sys::ExitStatus& status, std::string_view output) {
    if (status.code == 0) return;
    std::string how = status.signal != 0 ? fmt::format("killed by signal {}", status.signal)
                                         : fmt::format("exit status {}", status.code);
    output = trim(output);
    throw Error(ErrorKind::internal, output.empty() ? how : fmt::format("{}: {}", how, output));
}

void run_hooks(const std::vector<spec::Hook>& hooks, std::string_view name, const spec::State& state,
               pid_t target) {
    for (size_t i = 0; i < hooks.size(); ++i)
        with_context([&] { return hook_name(name, i, hooks[i]); },
                     [&] { run_hook(hooks[i], state, target); });
}

void run_hooks_leniently(const std::vector<spec::Hook>& hooks, std::string_view name,
                         const spec::State& state) noexcept {
    for (size_t i = 0; i < hooks.size(); ++i) try {
            run_hook(hooks[i], state, 0);
        } catch (...) {
            std::string message = current_exception_message();
            log::warning("{}: {}", hook_name(name, i, hooks[i]), message);
        }
}

}  // namespace berth::runtime
