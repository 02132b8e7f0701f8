// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <variant>

/// What happens in a container's first process between clone and exec, as data.
///
/// The parent (runtime/) compiles config.json to a Plan; the child walks its operations in order with raw
/// system calls (launch/child.h) and can do nothing that the plan does not say. Nothing here owns anything:
/// strings, arrays and descriptors belong to the parent's builder, and the child sees its own copy of that
/// memory after clone.
///
/// Paths named `destination` lie in the container's root file system, which is hostile: they are resolved by
/// openat2(2) with RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS, once, to a descriptor on which all that follows
/// works. All other paths are the host's, and used before the root changes.
namespace berth::launch {

// --- namespaces and cgroups
// -----------------------------------------------------------------------------------------

/// setns(2). `fd` is a namespace, or with `type` of several CLONE_NEW… flags a pidfd.
struct JoinNamespace {
    int fd;
    int type;
};
/// unshare(2), for what clone cannot do: a cgroup namespace (its root is the cgroup one is in by then) and a
/// time namespace (its offsets are set before anybody enters).
struct Unshare {
    int flags;
};
/// Writes "0" to a descriptor of a cgroup's `tasks` or `cgroup.procs`.
struct JoinCgroup {
    int fd;
};
/// In a new user namespace, once it is mapped: uid and gid 0 of that namespace.
struct BecomeRoot {};
struct SetHostname {
    const char* name;
    size_t length;
};
struct SetDomainname {
    const char* name;
    size_t length;
};
struct LoopbackUp {};
/// keyctl(KEYCTL_JOIN_SESSION_KEYRING): an anonymous session keyring of its own (one with a name could be
/// somebody else's). Kernels without keyrings are fine.
struct NewSessionKeyring {};
struct NewSession {};
/// prctl(PR_SET_DUMPABLE, 0): from here to execve no process of the container can look at us (ptrace,
/// /proc/PID/fd).
struct HideFromPtrace {};

// --- files of the kernel
// --------------------------------------------------------------------------------------------

/// Opens the host's /proc, verified to be procfs, for WriteProc and stays open over the change of root.
struct OpenProc {};
/// Writes to a file of that /proc: sysctls ("sys/net/ipv4/…"), time offsets, labels. It can't be redirected
/// by anything in the container, and neither crosses mounts nor follows symlinks (but for the kernel's own
/// self and thread-self).
struct WriteProc {
    const char* path;
    const char* text;
    size_t length;
    bool may_fail;  ///< an optional part of the host (a label): left out where the file can't be written
};

// --- root file system
// -----------------------------------------------------------------------------------------------

struct MountAttributes {
    uint64_t set;
    uint64_t clear;
    uint64_t recursive_set;
    uint64_t recursive_clear;
};
/// Propagation changes, in order.
struct Propagation {
    uint64_t type;  ///< MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE
    bool recursive;
};
struct PropagationList {
    const Propagation* items;
    size_t count;
};

/// Propagation of a mount point of the host's tree ("/", recursively), as copied to the new mount namespace.
struct SetPropagation {
    const char* path;
    uint64_t type;
    bool recursive;
};
/// Makes the root file system known, as the folder to which destinations are relative. `mount_fd`: a detached
/// mount that is attached at `path`; -1: `path` is bound on itself.
struct AttachRoot {
    int mount_fd;
    const char* path;
};
/// A running container's root (for exec), or a rootfs without a mount namespace: chroot to the folder.
struct ChangeRoot {
    int fd;
};
struct ConfigEntry {
    const char* key;
    const char* value;      ///< null: a flag
    bool optional = false;  ///< a file system that doesn't know it (EINVAL) does without
};
struct MountNew {
    const char* destination;
    const char* type;
    const ConfigEntry* entries;
    size_t entry_count;
    MountAttributes attributes;
    PropagationList propagation;
    bool copy_up;       ///< what the destination held is copied into the new file system (tmpcopyup)
    bool inherit_mode;  ///< its root gets the destination's mode
    bool plain_folder;  ///< the destination must be a real folder, no symlink: /proc, /sys
};
struct MountBind {
    const char* destination;
    int tree_fd;  ///< a detached copy of the source; -1: made from source_path by the child
    const char* source_path;
    bool recursive;
    MountAttributes attributes;
    PropagationList propagation;
};
/// New attributes for what is mounted at the destination.
struct Remount {
    const char* destination;
    MountAttributes attributes;
    PropagationList propagation;
};
/// A symlink below the root; one that is there already stays.
struct MakeSymlink {
    const char* destination;
    const char* target;
};
struct MakeFolder {
    const char* destination;
    mode_t mode;
};
/// mknod. A node that is there already must be the same device, a plain file is covered by the host's device.
struct MakeDevice {
    const char* destination;
    mode_t mode;  ///< with S_IFCHR, S_IFBLK or S_IFIFO
    dev_t device;
    uid_t uid;
    gid_t gid;
};
/// The host's device, where mknod isn't permitted (in a user namespace). The node must be `mode`'s type and
/// `device`.
struct BindDevice {
    const char* destination;
    const char* source;
    mode_t mode;
    dev_t device;
};
/// A pseudo terminal of the container's own devpts: the slave becomes stdio at exec (and, with
/// `bind_console`, /dev/console); the master goes to `socket` with SCM_RIGHTS, or in the Ready report where
/// that is -1.
struct OpenConsole {
    int socket;
    uint16_t rows;
    uint16_t columns;
    uid_t uid;
    bool bind_console;
};
struct ReadonlyPath {
    const char* destination;
};
/// Hides a file behind the null device and a folder behind an empty one.
struct MaskPath {
    const char* destination;
};
/// A mount of the host's tree that would show more than the container's own (procfs, sysfs): unmounted, or
/// where it is locked, covered.
struct HideMount {
    const char* path;
};
enum class RootChange : uint8_t { pivot, move, chroot };
struct EnterRoot {
    RootChange how;
};
/// After EnterRoot, on "/".
struct SetRootPropagation {
    uint64_t type;
    bool recursive;
};
struct SetRootReadonly {};

// --- process
// --------------------------------------------------------------------------------------------------------

/// chdir, with `create` after mkdir -p, and a check that the result lies in the root.
struct SetCwd {
    const char* path;
    bool create;
};
struct SetRlimit {
    int resource;
    uint64_t soft;
    uint64_t hard;
    bool may_fail;  ///< beyond what the host lets us have: kept as it is
};
struct SetScheduler {
    const void* attributes;  ///< struct sched_attr
    bool may_fail;
};
struct SetIoPriority {
    int value;
};
struct SetAffinity {
    const unsigned long* mask;
    size_t bytes;
};
struct SetMemoryPolicy {
    int mode;
    const unsigned long* nodes;
    unsigned long max_node;
};
struct SetPersonality {
    unsigned long persona;
};
struct SetUmask {
    mode_t mask;
};
/// The process's stdio is put in place: the terminal where one was opened, else Plan::stdio. With `own`,
/// pipes and sockets are chowned to the user.
struct PlaceStdio {
    uid_t uid;
    bool own;
};
/// Really closes (close-on-exec acts too late: execve still resolves its path by then, and /proc/self/fd/N/..
/// would lead to the host, CVE-2024-21626) all descriptors but stdio, Plan::preserve_fds, the talk with the
/// parent, and what the operations to come still use: the container's root, the host's /proc, the console's
/// master.
struct CloseDescriptors {
    int listen_fd;  ///< WaitForStart's, or -1
};
/// Looks whether the program can be executed, so that `create` fails early; the last word is execve's.
struct FindProgram {};

/// Tells the parent that `phase` is reached and, with `wait`, goes on when it answers.
enum class Phase : uint8_t { mapped, create_runtime, ready };
struct Sync {
    Phase phase;
    bool announce;
};
/// The end of `create`. listen_fd ≥ 0: waits for a connection there (anybody's `start`), which replaces the
/// sync socket. Else waits on the sync socket.
struct WaitForStart {
    int listen_fd;
};

struct Credentials {
    uid_t uid;
    gid_t gid;
    const gid_t* groups;
    size_t group_count;
    bool groups_required;  ///< false: where the user namespace denies setgroups(2), the groups stay as they
                           ///< are
    uint64_t bounding;
    uint64_t effective;
    uint64_t permitted;
    uint64_t inheritable;
    uint64_t ambient;
    int last_capability;
    bool no_new_privileges;
    const sock_filter* filter;  ///< seccomp; null: none
    unsigned short filter_length;
    uint32_t filter_flags;
    bool filter_notify;  ///< the listener is handed to the parent, see Report::Kind::listener
};

using Op = std::variant<JoinNamespace, Unshare, JoinCgroup, BecomeRoot, SetHostname, SetDomainname,
                        LoopbackUp, NewSessionKeyring, NewSession, HideFromPtrace, OpenProc, WriteProc,
                        SetPropagation, AttachRoot, ChangeRoot, MountNew, MountBind, Remount, MakeSymlink,
                        MakeFolder, MakeDevice, BindDevice, OpenConsole, ReadonlyPath, MaskPath, HideMount,
                        EnterRoot, SetRootPropagation, SetRootReadonly, SetCwd, SetRlimit, SetScheduler,
                        SetIoPriority, SetAffinity, SetMemoryPolicy, SetPersonality, SetUmask, PlaceStdio,
                        CloseDescriptors, FindProgram, Sync, WaitForStart, Credentials>;

struct Plan {
    uint64_t clone_flags = 0;  ///< CLONE_NEW… of the new process
    int cgroup_fd = -1;        ///< clone3's CLONE_INTO_CGROUP, or -1

    /// Done in an intermediate process that then clones the new one as its sibling: what must be in place
    /// before the clone (joining a user, pid or time namespace). Empty: the new process is cloned directly.
    const Op* stage = nullptr;
    size_t stage_count = 0;

    const Op* ops = nullptr;
    size_t op_count = 0;

    // The program: `program`, or where that is null argv[0]; looked up in PATH. `argv` and `env` end with
    // null; `env` has one free slot before it if `add_home`.
    const char* program = nullptr;
    const char* const* argv = nullptr;
    const char** env = nullptr;
    bool add_home = false;  ///< HOME from /etc/passwd of the container goes to env[home_slot]
    size_t home_slot = 0;
    const char* cwd =
        nullptr;  ///< tried again as the final user where root (of a user namespace) may not enter it
    int stdio[3] = {0, 1, 2};
    int preserve_fds = 0;
};

// --- what the child says
// --------------------------------------------------------------------------------------------

/// The part of an operation that failed, for the message.
enum class Step : uint8_t {
    none,
    open_destination,
    create_destination,
    open_source,
    fsopen,
    fsconfig,
    fscreate,
    fsmount,
    set_attributes,
    attach,
    set_propagation,
    copy_up,
    proc_safety,
    not_procfs,
    not_devpts,
    not_the_device,
    outside_root,
    not_a_folder,
    not_a_file,
    send_console,
    look_up_program,
    set_groups,
    set_ids,
    set_capabilities,
    load_filter,
    execute,
    clone,
};

struct Report {
    enum class Kind : uint8_t {
        process,   ///< from the intermediate process: `value` is the new one's pid
        reached,   ///< `value` is a Phase; Ready carries the console's master if asked for
        listener,  ///< seccomp's listener will be descriptor `value` of this process, which then spins until
                   ///< the 32-bit word at `address` of its memory is no longer 0
        failed,    ///< operation `value` (an index) failed with errno `error` at `step`; nothing follows
    };
    Kind kind = Kind::failed;
    bool in_stage = false;
    Step step = Step::none;
    int32_t value = 0;
    int32_t error = 0;
    uint64_t address = 0;
    char detail[64] = {};  ///< the fsconfig key
};

/// Indices in Report::value for what comes after the last operation.
inline constexpr int32_t kExecIndex = -1;
inline constexpr int32_t kCloneIndex = -2;

/// What the parent (or `start`) sends.
inline constexpr char kGo = 'g';

}  // namespace berth::launch
