// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "runtime/container.h"
#include "shim/execs.h"
#include "shim/exit_record.h"
#include "shim/log_sink.h"
#include "shim/loop.h"
#include "shim/options.h"
#include "shim/server.h"
#include "shim/stdio.h"

/// One container, from its creation to the moment when nothing of it is left (docs/shim.md tells each step's
/// why).
///
///            create()            start()                 init is reaped
///   (none) ───────────► created ─────────► running ───────────────────────► draining
///      │ throws:           │                                                   │ streams and execs have
///      ended └ undone            │ init is reaped, start() fails, abandoned          ▼
///                          └──────────────────────────────────────────────► ended: exit.json, exit reported
///                                                                              │ cgroup, state, mount let go
///   loop stopped ◄── clients have taken what waited for them ── lingering ◄────┘
///
/// It owns everything: the runtime's container, the log, the streams, execs, parked descriptors, the server.
/// Requests come in by handle() (operations.cpp), which calls the public functions below.
namespace berth::shim {

class Shim final : private StdioListener, private Execs::Owner, public RequestHandler {
  public:
    enum class Phase { created, running, draining, ended };

    /// `directory`: the container's.
    Shim(Loop& loop, UniqueFd directory, ShimOptions options);
    ~Shim();
    Shim(const Shim&) = delete;
    Shim& operator=(const Shim&) = delete;

    /// Makes the container and listens. Throws; then nothing is left.
    void create();
    /// Tells the spawner, whose connection this becomes, with its events from the first on if `subscribed`.
    /// If it goes before it (or anybody) asked for anything, the container is removed.
    void hand_over(UniqueFd handshake, bool subscribed);

    /// --- for requests; all throw berth::Error

    /// What hello answers, and the handshake.
    json::Object greeting() const;
    json::Object state() const;
    /// Throws ProgramError where the program can't be executed; the container ends then.
    pid_t start();
    void kill(int signal, bool all);
    uint64_t attach(const std::string& exec, AttachRequest request);
    void detach(uint64_t attachment);
    Stdio& stdio(const std::string& exec);
    struct Started {
        pid_t pid = 0;
        std::optional<uint64_t> attachment;
    };
    Started start_exec(ExecRequest request);
    Execs& execs() noexcept { return execs_; }
    /// Throws conflict once it has ended.
    runtime::Container& container();
    LogSink& log() noexcept { return *log_; }
    const LogSettings& log_settings() const noexcept { return options_.log; }
    int directory() const noexcept { return directory_.get(); }

    /// The exit if it was reported, else `waiter` is answered then.
    std::optional<ExitRecord> wait(Waiter waiter);
    /// True if everything is gone already, else `waiter` is answered then. Throws conflict for a running
    /// container unless `force`.
    bool remove(Waiter waiter, bool force);
    void shut_down();

    void park(const std::string& name, std::vector<UniqueFd> fds);
    std::vector<UniqueFd> unpark(const std::string& name, bool keep);

    /// --- RequestHandler
    json::Value handle(Call& call) override;
    void connection_closed(uint64_t id) override;
    void message_taken() override { taken_ = true; }

  private:
    void output(Stream stream, std::string_view chunk, int64_t time_ns) override;
    void output_ended(Stream stream) override;
    void client_dropped(uint64_t attachment, uint64_t bytes) override;
    void drained() override;
    void detached() override;
    void exec_exited(const ExecExit& exit) override;
    void exec_client_dropped(const std::string& exec, uint64_t attachment, uint64_t bytes) override;
    void exec_forgotten() override { detached(); }

    void watch_children();
    void children_changed(uint32_t events);
    void watch_oom();
    void oom_ready(uint32_t events);
    void count_oom_kills();
    void report_log_drops();
    void require_alive() const;
    bool is_paused() const;

    void init_ended(sys::ExitStatus status);
    void begin_to_end();
    void kill_everything() noexcept;
    void finish_if_drained();
    void finish();
    void record_exit();
    void release();
    void linger();
    void linger_tick();
    void idle();

    Loop& loop_;
    UniqueFd directory_;
    ShimOptions options_;
    runtime::Settings settings_;

    Phase phase_ = Phase::created;
    bool taken_ = false;     ///< somebody knows of the container
    bool released_ = false;  ///< nothing of it is left but this process
    bool hurry_ = false;     ///< nobody is waited for
    bool own_pid_namespace_ = false;
    bool heavy_ = false;    ///< container_ may hold the whole configuration by now
    uint64_t spawner_ = 0;  ///< its connection
    ExitRecord exit_;

    std::unique_ptr<LogSink> log_;
    Stdio stdio_;
    Server server_;
    Execs execs_;
    std::optional<runtime::Container> container_;
    runtime::Created created_;
    uint64_t next_attachment_ = 1;

    UniqueFd children_;  ///< eventfd, written by the handler of SIGCHLD
    Watch children_watch_;
    std::optional<sys::OomEvents> oom_;
    Watch oom_watch_;
    uint64_t oom_kills_ = 0;
    uint64_t reported_drops_ = 0;
    Timer drops_timer_;
    Timer end_timer_;
    Timer linger_timer_;
    unsigned linger_ticks_ = 0;
    bool drained_ = false;

    std::vector<Waiter> exit_waiters_;
    std::vector<Waiter> remove_waiters_;
    std::map<std::string, std::vector<UniqueFd>> parked_;
};

std::string_view to_string(Shim::Phase phase);

}  // namespace berth::shim
