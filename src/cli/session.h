// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "async/context.h"
#include "cli/flags.h"
#include "client/config_file.h"
#include "client/engine.h"

namespace berth::cli {

/// Docker's global options, which stand before the command: -H, --context, --config, --tls* …
std::span<const Flag> global_flags();

/// What a command works with: made for one call of the program, from its global flags and the environment.
/// Nothing is opened before it is asked for: `berth version --help` reads no file and `berth image ls` of a
/// plain user opens one socket.
class Session {
  public:
    /// `program`: "berth" or "docker". `flags` has the table of global_flags() and outlives the session.
    Session(std::string program, const Flags& flags);
    ~Session();

    const std::string& program() const { return program_; }
    /// The loop on which all network work of the call runs.
    async::Context& loop();
    /// Docker's config.json. Read once; a file with mistakes is a warning on stderr and counts as empty, as
    /// docker has it.
    client::ConfigFile& config();
    /// The folder of config.json, contexts and certificates: --config, DOCKER_CONFIG, ~/.docker.
    std::string config_folder() const;
    /// Which daemon is meant. Throws for unknown contexts and bad -H.
    const client::Endpoint& endpoint();
    client::EndpointOptions endpoint_options() const;
    client::Engine& engine();
    /// -D: more in messages.
    bool is_debug() const;

    /// Runs `task` on the loop until it ends; SIGINT and SIGTERM cancel it and throw Interrupted.
    template <typename T>
    T run(async::Task<T> task) {
        std::optional<T> result;
        run_until_signal(store(std::move(task), result));
        return std::move(*result);
    }
    void run(async::Task<void> task) { run_until_signal(std::move(task)); }
    /// One request of the engine, run() to its decoded answer.
    json::Value call(client::Request request);

    /// Asked once.
    bool is_stdin_terminal() const { return stdin_terminal_; }
    bool is_stdout_terminal() const { return stdout_terminal_; }
    bool is_stderr_terminal() const { return stderr_terminal_; }
    /// stdout is a terminal that shows colours, and NO_COLOR is unset or empty.
    bool has_colours() const;

  private:
    template <typename T>
    static async::Task<void> store(async::Task<T> task, std::optional<T>& into) {
        into.emplace(co_await std::move(task));
    }
    void run_until_signal(async::Task<void> task);

    std::string program_;
    const Flags& flags_;
    const bool stdin_terminal_, stdout_terminal_, stderr_terminal_;
    std::unique_ptr<async::Context> loop_;
    std::optional<client::ConfigFile> config_;
    std::optional<client::Endpoint> endpoint_;
    std::unique_ptr<client::Engine> engine_;
};

/// A failure with an exit status of its own (125, 126, 127, or what the container ended with). With an empty
/// message nothing is printed. `told`: what the command printed to stderr itself, for advice about it.
struct ExitStatus {
    int status;
    std::string message;
    std::string told = {};
};

}  // namespace berth::cli
