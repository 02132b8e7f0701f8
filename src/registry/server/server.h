// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/context.h"
#include "async/stream.h"

/// A registry (OCI distribution-spec 1.1) on one folder. See docs/registry.md for its states.
namespace berth::registry {

struct ServerConfig {
    std::string root;
    std::vector<std::string> listen = {"127.0.0.1:5000"};
    std::string tls_cert, tls_key;
    std::string htpasswd_file;    ///< bcrypt; read again when it changes
    bool anonymous_pull = false;  ///< with htpasswd: reading needs no login
    bool read_only = false;
    std::string proxy_url;  ///< pull-through cache of this upstream
    std::string proxy_username, proxy_password;
    std::chrono::seconds proxy_ttl{std::chrono::hours(24 * 7)};  ///< cached content not used for so long goes
    std::chrono::seconds gc_interval{std::chrono::hours(1)};
    std::chrono::seconds upload_expiry{std::chrono::hours(24)};
    /// How long a blob that was pushed, or found by a push, waits for its manifest before it is collected.
    std::chrono::seconds blob_grace{std::chrono::hours(1)};
    /// What tags go at a collection, see retention.h.
    std::vector<std::string> retention;
    std::string access_log;  ///< a file, "-" for stdout, empty: none; JSON lines
    std::chrono::milliseconds stop_grace{10'000};
};

class Server {
  public:
    Server(async::Context& context, ServerConfig config);
    ~Server();
    /// Starts to serve; the addresses with their real ports.
    std::vector<async::Address> start();
    /// No new connections; requests in progress may end within the grace time.
    async::Task<void> stop();
    /// One collection now: what nothing refers to, online. The bytes that came free.
    async::Task<uint64_t> collect();

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace berth::registry
