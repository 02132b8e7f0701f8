// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "launch/plan.h"

/// The child's side of a launch. Runs in a forked, single-threaded process: raw system calls only, no
/// allocation, no exceptions, no locks, nothing of libc that keeps state. The parent is behind `sync`, a
/// SOCK_SEQPACKET socket.
///
///   parent                                child
///     │ clone ─────────────────────────────► walks Plan::ops
///     │ ◄──────────── reached(phase) ────────┤ at each Sync that announces
///     │ ── go ─────────────────────────────► │
///     │ ◄──────────── reached(ready) ────────┤ WaitForStart
///     │ ── go (here, or over start.sock) ──► │ execve
///     │ ◄── end of file: executed ───────────┘
///     │ ◄── failed(op, step, errno) ─────────  at any point, then exit(1)
///
/// If the parent dies, reading the answer gives end of file and the child exits: nobody waits for ever.
namespace berth::launch {

struct Child {
    const Plan& plan;
    int sync;
    bool in_stage = false;

    int root = -1;          ///< the root file system
    int proc = -1;          ///< the host's /proc, O_PATH
    int null_device = -1;   ///< the host's /dev/null, O_PATH, in our mount namespace
    int empty_folder = -1;  ///< an attached, empty, read-only file system, to be cloned by MaskPath
    int terminal = -1;      ///< slave of the console
    int master = -1;        ///< to be sent with Ready
    bool in_cwd = true;     ///< false after a SetCwd that was refused to root

    Step step = Step::none;
    const char* detail = nullptr;
};

/// Walk the operations of the intermediate process, or of the new one, and never return.
[[noreturn]] void run_stage(const Plan& plan, int sync) noexcept;
/// `proc`: what an intermediate process's OpenProc opened.
[[noreturn]] void run_child(const Plan& plan, int sync, int proc = -1) noexcept;

// One function for each operation: 0, or a negative errno with `child.step` saying where.
int run(Child& child, const JoinNamespace& op);
int run(Child& child, const Unshare& op);
int run(Child& child, const JoinCgroup& op);
int run(Child& child, const BecomeRoot& op);
int run(Child& child, const SetHostname& op);
int run(Child& child, const SetDomainname& op);
int run(Child& child, const LoopbackUp& op);
int run(Child& child, const NewSessionKeyring& op);
int run(Child& child, const NewSession& op);
int run(Child& child, const HideFromPtrace& op);
int run(Child& child, const OpenProc& op);
int run(Child& child, const WriteProc& op);
int run(Child& child, const SetPropagation& op);
int run(Child& child, const AttachRoot& op);
int run(Child& child, const ChangeRoot& op);
int run(Child& child, const MountNew& op);
int run(Child& child, const MountBind& op);
int run(Child& child, const Remount& op);
int run(Child& child, const MakeSymlink& op);
int run(Child& child, const MakeFolder& op);
int run(Child& child, const MakeDevice& op);
int run(Child& child, const BindDevice& op);
int run(Child& child, const OpenConsole& op);
int run(Child& child, const ReadonlyPath& op);
int run(Child& child, const MaskPath& op);
int run(Child& child, const HideMount& op);
int run(Child& child, const EnterRoot& op);
int run(Child& child, const SetRootPropagation& op);
int run(Child& child, const SetRootReadonly& op);
int run(Child& child, const SetCwd& op);
int run(Child& child, const SetRlimit& op);
int run(Child& child, const SetScheduler& op);
int run(Child& child, const SetIoPriority& op);
int run(Child& child, const SetAffinity& op);
int run(Child& child, const SetMemoryPolicy& op);
int run(Child& child, const SetPersonality& op);
int run(Child& child, const SetUmask& op);
int run(Child& child, const PlaceStdio& op);
int run(Child& child, const CloseDescriptors& op);
int run(Child& child, const FindProgram& op);
int run(Child& child, const Sync& op);
int run(Child& child, const WaitForStart& op);
int run(Child& child, const Credentials& op);

/// HOME, signals, and the last descriptors: what has to happen before a filter watches our system calls.
int prepare_program(Child& child);
/// After the last operation: execve and nothing else. Returns only on failure.
int execute_program(Child& child);

// --- talk with the parent ---
void send_report(const Child& child, const Report& report, int fd = -1);
/// Waits for kGo; exits where the parent is gone.
int wait_for_go(Child& child);
[[noreturn]] void exit_now(int code);

// --- the root file system ---
/// The destination, followed to its end within the root, as an O_PATH descriptor (plus `flags`).
int open_destination(const Child& child, const char* path, int flags = 0);
/// The same; what is missing is made: folders (0755), at the end a folder or an empty file.
int make_destination(Child& child, const char* path, bool folder);
/// The same for a file whose last name is not followed: devices and the console, which the image may not
/// redirect onto another of its files. A symlink itself is what is covered then.
int make_own_destination(Child& child, const char* path);
/// The folder that holds the last name of `path` (made if missing); `name` points into `path`.
int make_parent(Child& child, const char* path, const char** name);

/// The host's device on the file behind `target`.
int bind_device(Child& child, const BindDevice& op, int target);

int copy_tree(int from, int to);

}  // namespace berth::launch
