// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/unique_fd.h"
#include "shim/exit_record.h"
#include "shim/options.h"
#include "shim/protocol.h"
#include "sys/process.h"

/// A blocking client of one shim (docs/shim.md). Not thread-safe. Errors that the shim answers are thrown as
/// berth::Error with its kind and message (ProgramError for a program that can't be executed); when the shim
/// goes away meanwhile: unavailable.
namespace berth::shim {

/// {pid, attachment, …}: an answer, and the descriptors that came with it.
struct Answer {
    json::Value ok;
    std::vector<UniqueFd> fds;
};

/// Streams to attach, borrowed; -1 is not asked for. With `framed`, `out` takes both streams but those that
/// are to be skipped.
struct Streams {
    int in = -1;
    int out = -1;
    int err = -1;
    bool framed = false;
    bool skip_out = false;
    bool skip_err = false;
    bool lossless = false;
    bool hold_stdin = false;
    bool ends_with_stdin = false;
};

/// The members of a request that say which of its descriptors are which, and the descriptors (borrowed).
std::pair<json::Object, std::vector<int>> encode_streams(const Streams& streams);

struct ExecAnswer {
    pid_t pid = 0;
    uint64_t attachment = 0;  ///< 0: none
};

struct ExecResult {
    int code = 0;
    int signal = 0;
    int64_t time_ns = 0;
};

class Client {
  public:
    /// Connects to the shim of the container's directory. not_found: no socket; unavailable: the shim is
    /// dead.
    static Client connect(int directory);
    static Client connect(const std::string& directory);
    /// Speaks over a connected socket, such as a handshake's.
    explicit Client(UniqueFd socket) : socket_(std::move(socket)) {}

    int fd() const noexcept { return socket_.get(); }
    /// Gives the connection away, to be made an AsyncClient's. Nothing may be unanswered.
    UniqueFd release() noexcept { return std::move(socket_); }

    /// Sends and awaits the answer; events that come before it are kept for next_event().
    Answer call(std::string_view op, json::Object members = {}, const std::vector<int>& fds = {});
    /// Only sends; the answer's id is returned and the answer taken by wait_answer().
    int64_t send(std::string_view op, json::Object members = {}, const std::vector<int>& fds = {});
    Answer wait_answer(int64_t id);
    /// The next event. Nothing: the shim has gone, or `timeout` passed.
    std::optional<json::Object> next_event(std::optional<std::chrono::milliseconds> timeout = {});

    json::Object hello(const std::vector<int64_t>& majors = {kProtocolMajor});
    json::Object state();
    json::Object subscribe();
    pid_t start();
    void kill(int signal, bool all = false, const std::string& exec = {});
    uint64_t attach(const Streams& streams, const std::string& exec = {});
    void detach(uint64_t attachment);
    void close_stdin(const std::string& exec = {});
    void resize(uint16_t width, uint16_t height, const std::string& exec = {});
    /// `process_json`: as in config.json.
    ExecAnswer exec(const std::string& id, std::string_view process_json, const Streams& streams = {},
                    bool direct = false);
    ExecResult exec_wait(const std::string& id);
    void pause();
    void resume();
    void update(std::string_view resources_json);
    json::Object stats();
    std::vector<pid_t> pids();
    Answer logs_subscribe(int fd, bool lossless = false);
    ExitRecord wait();
    void remove(bool force);
    void shutdown();
    void park(const std::string& name, const std::vector<int>& fds);
    std::vector<UniqueFd> unpark(const std::string& name, bool keep);

  private:
    struct Incoming {
        json::Object body;
        std::vector<UniqueFd> fds;
    };
    /// Nothing: gone, or timeout.
    std::optional<Incoming> receive(std::optional<std::chrono::milliseconds> timeout);
    json::Object call_object(std::string_view op, json::Object members = {},
                             const std::vector<int>& fds = {});

    UniqueFd socket_;
    int64_t next_id_ = 1;
    std::deque<json::Object> events_;
    std::deque<Incoming> answers_;
};

struct Spawned {
    sys::Child
        process;  ///< the shim: release() it when it shall outlive this process, which then need not reap it
    Client client;  ///< the handshake's connection; the container is removed if it closes before any request
    json::Object ready;  ///< what the shim said: pid, shim_pid, major, …
};
/// A shim that was executed and waits to be told its container: what a start needs not wait for. It ends when
/// this is destroyed or this process dies. Blocking; not thread-safe.
class [[nodiscard]] WaitingShim {
  public:
    /// `program`: berth-shim.
    static WaitingShim start(const std::string& program);
    bool is_alive() const;
    /// `directory` holds config.json and shim.json. With `subscribed` the client need not subscribe(). Throws
    /// what the shim answered.
    Spawned run(int directory, const std::string& id, bool subscribed) &&;

  private:
    WaitingShim(sys::Child process, UniqueFd socket)
        : process_(std::move(process)), socket_(std::move(socket)) {}
    sys::Child process_;
    UniqueFd socket_;
};

/// Starts `program` (berth-shim) on a directory that holds config.json and shim.json. Throws what the shim
/// answered.
Spawned spawn(const std::string& program, int directory, const std::string& id);

/// For a container whose shim is dead: what exit.json says; and if there is none, kills and removes what is
/// left of it in `runtime_root`, and writes one (code 255). Nothing if the shim lives. Throws not_found if
/// there is no shim.json.
std::optional<ExitRecord> recover(int directory);

}  // namespace berth::shim
