// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/unique_fd.h"
#include "runtime/state.h"
#include "runtime/stats.h"
#include "spec/runtime.h"
#include "sys/cgroup.h"
#include "sys/process.h"

/// The life of an OCI container (runtime-spec, runtime.md).
///
///            create                start                 init exits
///   (none) ─────────► created ───────────────► running ─────────────► stopped ──delete──► (none)
///      │ creating        │                      │   ▲                    ▲
///      └ failed: undone  └──────── kill ────────┼───┼────────────────────┘
///                                        pause  ▼   │ resume
///                                              paused
///
/// What outlives the process is kept in <root>/<id>/ (docs/runtime.md has the files and their order); a
/// container is found again by its id, by any process. Every function throws berth::Error; a failed create
/// leaves nothing behind. One thread. Not for two processes at once on one id, except where a lock is named.
namespace berth::runtime {

/// Where containers' state is kept, and what holds for all of them.
struct Settings {
    std::string root;  ///< default_root() unless the user says otherwise
    bool systemd_cgroup = false;
};

/// /run/berth-oci for root, else $XDG_RUNTIME_DIR/berth-oci.
std::string default_root();

enum class Status { creating, created, running, paused, stopped };
std::string_view to_string(Status status);

/// A root file system that is mounted only in the container's own mount namespace, instead of
/// config.root.path, which then only names the folder to mount it on (it stays empty on the host).
struct RootfsMount {
    std::string type;                  ///< "overlay"
    std::string source;                ///< what mountinfo shows, "overlay"
    std::vector<std::string> options;  ///< as of mount(8): lowerdir=…, upperdir=…, workdir=…, volatile
};

struct CreateOptions {
    std::string id;
    std::string bundle;       ///< absolute path of the folder that holds config.json
    std::string config_text;  ///< config.json's text; empty: read from the bundle
    std::optional<RootfsMount> rootfs;

    std::array<int, 3> stdio = {0, 1, 2};  ///< borrowed; given to the process unless it has a terminal
    std::string console_socket;  ///< path of a unix socket that gets the pty's master; empty: see Created
    bool keep_console = false;   ///< terminal without console_socket: the master is returned in Created
    int preserve_fds = 0;        ///< descriptors 3 … 3+n-1 are inherited by the process

    std::string pid_file;
    bool no_pivot = false;
    bool no_new_keyring = false;

    /// The caller stays and starts the container itself (run, the shim): the init process waits on a socket
    /// of this process and dies with it. Otherwise it waits on <root>/<id>/start.sock for a `start` from
    /// anywhere.
    bool attached = false;
};

/// What is needed beyond the state on disk by the process that created the container.
struct Created {
    sys::Child
        init;  ///< the caller reaps it (release() it when the caller goes away and the container stays)
    UniqueFd console_master;  ///< with keep_console
    UniqueFd rootfs_mount;    ///< with CreateOptions.rootfs: hold it until the exit was reported, then close
    UniqueFd start_sync;      ///< internal, with attached: start() uses it
};

struct ExecOptions {
    spec::Process process;
    std::array<int, 3> stdio = {0, 1, 2};
    std::string console_socket;
    bool keep_console = false;
    int preserve_fds = 0;
    std::string pid_file;
    /// Sub-cgroup of the container's ("" or "/": its own), created if absent; by controller on v1 (key "" =
    /// all).
    std::map<std::string, std::string> cgroup;
    bool ignore_paused = false;
    std::string program;  ///< executed instead of process.args[0]
    /// Up to the execution of the program; a container can hold it up (by a FUSE file system, its freezer).
    std::optional<std::chrono::milliseconds> setup_timeout;
};

struct Executed {
    sys::Child process;
    UniqueFd console_master;  ///< with keep_console
};

class Container {
  public:
    /// Everything up to the point where only the user's program is missing: namespaces, cgroup, mounts, hooks
    /// up to createContainer. The id must be new.
    static Container create(const Settings& settings, const CreateOptions& options, Created& created);
    /// not_found: "container does not exist".
    static Container load(const Settings& settings, const std::string& id);
    /// Ids with a state directory, sorted; half-made ones too.
    static std::vector<std::string> list(const Settings& settings);

    /// Runs the startContainer hooks, lets the init process execute the program, runs the poststart hooks.
    /// Throws what execve said (`exec: "x": …`, with Error::code()); exec_exit_code() tells 127 from 126.
    void start(Created* created = nullptr);

    Status status() const;
    /// The signal goes to the init process, or with `all` to every process in the cgroup.
    void kill(int signal, bool all = false);
    void pause();
    void resume();
    /// Stopped containers only, unless `force` (SIGKILL first). Cgroup, state, poststop hooks. With force an
    /// unknown or half-made container is no error.
    void remove(bool force);
    static void remove_forced(const Settings& settings, const std::string& id);

    Executed exec(const ExecOptions& options);
    void update(const spec::Resources& resources);
    Stats stats() const;
    std::vector<pid_t> processes() const;

    const std::string& id() const { return record_.id; }
    pid_t init_pid() const { return record_.pid; }
    const std::string& bundle() const { return record_.bundle; }
    const std::string& rootfs() const { return record_.rootfs; }
    /// Name of the user who created it.
    const std::string& owner() const { return record_.owner; }
    int64_t created_ns() const { return record_.created; }
    const spec::Config& config() const;
    /// Nothing only for an unprivileged user whom the host gives no cgroup.
    const std::optional<sys::Cgroup>& cgroup() const { return cgroup_; }
    /// It was created with CreateOptions::no_new_keyring.
    bool keeps_keyring() const { return record_.noNewKeyring; }
    /// What `state` prints and hooks read.
    spec::State state() const;

  private:
    friend class Creation;
    Container(Settings settings, StateRecord record);

    bool init_alive() const;
    sys::Cgroup& need_cgroup(std::string_view what);
    const sys::Cgroup& need_cgroup(std::string_view what) const;
    UniqueFd open_state_dir() const;
    void remove_cgroup();
    void run_start_container_hooks();
    void finish_start(int sync);

    Settings settings_;
    StateRecord record_;
    std::optional<sys::Cgroup> cgroup_;
    mutable std::optional<spec::Config> config_;  ///< loaded when needed
};

/// 127 if `error` says that the program wasn't found, 126 if it can't be executed, else nothing.
std::optional<int> exec_exit_code(const Error& error);

}  // namespace berth::runtime
