// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "spec/runtime.h"

/// linux.seccomp of config.json, compiled by libseccomp to the BPF program that seccomp(2) takes.
///
/// What a name of the profile means where the specification leaves it open, as the other runtimes have it:
/// - names of system calls that libseccomp does not know are skipped; so are rules that equal the default
/// action;
/// - several conditions on one argument of a rule are alternatives, else all conditions of a rule must hold;
/// - under a default action that denies, system calls with numbers above the highest that the profile names
/// give ENOSYS
///   (and not the default action), so that a libc newer than the profile finds its fallbacks;
/// - the native architecture is always part of the filter.
namespace berth::runtime {

struct CompiledFilter {
    std::vector<sock_filter> instructions;  ///< at most BPF_MAXINSNS
    uint32_t flags = 0;   ///< SECCOMP_FILTER_FLAG_*; NEW_LISTENER is among them exactly if `notify`
    bool notify = false;  ///< seccomp(2) returns a listener, see send_seccomp_listener
};

/// Throws invalid_argument naming the field ("linux.seccomp.syscalls[2].action: unknown action \"X\"").
/// SCMP_ACT_NOTIFY may be used for any system call: whoever loads the filter must hand out the listener
/// without one.
void check_seccomp(const spec::Seccomp& seccomp);

/// check_seccomp, then the program. Flags and architectures that this host lacks are left out with a warning.
CompiledFilter compile_seccomp(const spec::Seccomp& seccomp);

/// Compiled filters in a folder, since compiling Docker's default profile costs 5 to 10 ms, and reading it
/// back 0.05 ms.
///
/// A file is named by a hash of its key and holds the whole key (profile, architecture, versions, the
/// kernel's flags), which is compared; so neither a hash collision nor an update of libseccomp gives a wrong
/// filter. A file that is damaged, or that belongs to someone else, or a folder that does, is not used. The
/// folder never holds more than kMaxEntries files. It may be shared by any number of processes.
class SeccompCache {
  public:
    static constexpr size_t kMaxEntries = 64;

    /// The folder is made (mode 0700) when the first filter is stored.
    explicit SeccompCache(std::string directory) : directory_(std::move(directory)) {}

    /// As compile_seccomp. A cache that can't be read or written is no failure.
    CompiledFilter get(const spec::Seccomp& seccomp) const;

  private:
    std::string directory_;
};

/// The ContainerProcessState of config-linux.md as JSON, for a listener that is sent as its one descriptor.
/// `pid` is the container's process as the runtime sees it.
std::string make_container_process_state(const spec::State& state, pid_t pid, std::string_view metadata);

/// Connects to the agent's unix stream socket, sends `state` with the listener (borrowed), and closes the
/// connection. Throws when that fails or takes longer than 10 s.
void send_seccomp_listener(const std::string& socket_path, int listener_fd, std::string_view state);

}  // namespace berth::runtime
