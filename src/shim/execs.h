// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "runtime/container.h"
#include "shim/loop.h"
#include "shim/server.h"
#include "shim/stdio.h"
#include "sys/process.h"

/// Processes that clients run in the container beside its init.
///
///   (started) ─► running ── process ends ─► draining ── streams read ─► ended: reported, remembered for a
///   while
namespace berth::shim {

/// How to run one. Streams as for an attachment; those that aren't asked for are /dev/null.
struct ExecRequest {
    std::string id;
    spec::Process process;
    AttachRequest streams;
    bool wants_attachment = false;  ///< any stream was asked for
    /// The process gets the client's descriptors themselves: nothing passes through the shim.
    bool direct = false;
};

struct ExecExit {
    std::string id;
    pid_t pid = 0;
    sys::ExitStatus status;
    int64_t time_ns = 0;
};
/// As in the event exec_exited and the answer of exec_wait.
json::Object encode_exec_exit(const ExecExit& exit);

class Execs {
  public:
    class Owner {
      public:
        virtual void exec_exited(const ExecExit& exit) = 0;
        virtual void exec_client_dropped(const std::string& exec, uint64_t attachment, uint64_t bytes) = 0;
        /// Its last attached client went away after it had ended.
        virtual void exec_forgotten() = 0;

      protected:
        ~Owner() = default;
    };

    /// How many that ended are remembered.
    static constexpr size_t kRemembered = 64;

    Execs(Loop& loop, Server& server, Owner& owner);
    ~Execs();
    Execs(const Execs&) = delete;
    Execs& operator=(const Execs&) = delete;

    /// Returns the pid. `attachment` is the id that the streams get. Throws conflict for an id in use,
    /// ProgramError where the program can't be executed.
    pid_t start(runtime::Container& container, ExecRequest request, uint64_t attachment);

    /// True if the reaped `pid` was one of these.
    bool reaped(pid_t pid, int wait_status);

    /// By id, throws not_found.
    Stdio& stdio(const std::string& id);
    void signal(const std::string& id, int number);
    /// The exit if it ended, else `waiter` is answered when it does.
    std::optional<ExecExit> wait(const std::string& id, const Waiter& waiter);
    /// Detaches `attachment` wherever it is. False: nowhere.
    bool detach(uint64_t attachment);

    /// Processes that run, or whose streams aren't read to the end.
    size_t unfinished() const noexcept;
    /// Attached clients that have yet to take output.
    size_t attachments() const noexcept;
    void drop_stalled();
    void drop_all() noexcept;
    /// [{"exec":…,"pid":…,"running":…}]
    json::Array list() const;

  private:
    class Exec;

    Exec* find(const std::string& id) noexcept;
    Exec& get(const std::string& id);
    void finished(Exec& exec);
    void forget_if_done(Exec& exec);

    Loop& loop_;
    Server& server_;
    Owner& owner_;
    std::list<std::unique_ptr<Exec>> execs_;
    std::deque<ExecExit> ended_;
};

}  // namespace berth::shim
