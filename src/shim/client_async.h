// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "async/context.h"
#include "base/json.h"
#include "base/unique_fd.h"
#include "shim/client.h"

/// The client of one shim for coroutines (docs/shim.md): one connection, any number of calls in flight,
/// answers matched by their ids. Belongs to its context's thread. Errors that the shim answers are thrown as
/// by the blocking Client: its kind and message, ProgramError for a program that can't be executed.
/// unavailable "the shim is gone" where the connection ends before the answer. A call that is cancelled was
/// perhaps carried out.
///
/// Idle it holds one coroutine and no buffer.
namespace berth::shim {

class AsyncClient {
  public:
    struct Listener {
        /// {"event":"exited",…} and so on, in order, once subscribe() was called. May destroy the client.
        std::function<void(const json::Object& event)> event;
        /// Once, when the connection has ended by the shim's doing, after all events; not for close(). After
        /// "exited" it means that the shim has let go of everything. May destroy the client.
        std::function<void()> ended;
    };

    /// Over a connected socket: Client::release() of what spawn() gave, or connect().
    AsyncClient(async::Context& context, UniqueFd socket, Listener listener = {});
    /// To shim.sock in the container's directory. not_found: no socket; unavailable: nobody behind it.
    static std::shared_ptr<AsyncClient> connect(async::Context& context, int directory,
                                                Listener listener = {});
    AsyncClient(const AsyncClient&) = delete;
    AsyncClient& operator=(const AsyncClient&) = delete;
    ~AsyncClient();

    void set_listener(Listener listener);
    /// Pending calls end with unavailable. What is attached goes on.
    void close();
    bool is_open() const;

    /// `fds` are borrowed until it ends.
    async::Task<Answer> call(std::string op, json::Object members = {}, std::vector<int> fds = {});
    /// As call, for answers that are objects without descriptors.
    async::Task<json::Object> call_object(std::string op, json::Object members = {},
                                          std::vector<int> fds = {});

    async::Task<json::Object> hello();
    async::Task<json::Object> state();
    async::Task<json::Object> subscribe();
    async::Task<pid_t> start();
    async::Task<void> kill(int signal, bool all = false, std::string exec = {});
    /// The descriptors in `streams` are borrowed.
    async::Task<uint64_t> attach(Streams streams, std::string exec = {});
    async::Task<void> detach(uint64_t attachment);
    async::Task<void> close_stdin(std::string exec = {});
    async::Task<void> resize(uint16_t width, uint16_t height, std::string exec = {});
    /// `process_json`: as in config.json, of any length.
    async::Task<ExecAnswer> exec(std::string id, std::string process_json, Streams streams = {},
                                 bool direct = false);
    /// Ends when the exec has ended.
    async::Task<ExecResult> exec_wait(std::string id);
    async::Task<void> pause();
    async::Task<void> resume();
    async::Task<void> update(std::string resources_json);
    async::Task<json::Object> stats();
    async::Task<std::vector<pid_t>> pids();
    async::Task<Answer> logs_subscribe(int fd, bool lossless = false);
    /// Ends when the container has ended.
    async::Task<ExitRecord> wait();
    async::Task<void> remove(bool force);
    async::Task<void> shutdown();
    async::Task<void> park(std::string name, std::vector<int> fds);
    async::Task<std::vector<UniqueFd>> unpark(std::string name, bool keep);

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace berth::shim
