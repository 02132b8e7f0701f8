// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "async/context.h"
#include "http/client.h"
#include "registry/client/response_error.h"

namespace berth::registry {

class Authorizer;
class Endpoints;
struct ClientConfig;
struct Endpoint;

/// A request to a registry, or to where a registry sends one.
struct Call {
    http::ClientRequest request;
    /// Signs requests to its own registry, and to no other host. Borrowed; may be null.
    Authorizer* authorizer = nullptr;
    std::string
        scope;  ///< what a token must allow: "repository:library/nginx:pull"; several: separated by blanks
    unsigned attempts = 1;
    unsigned silent_attempts = 0;  ///< how many of them may end without any answer; 0: all
    /// Told before each repetition.
    std::function<void(const std::string& why, std::chrono::milliseconds wait)> retrying = nullptr;
};

struct Answer {
    std::unique_ptr<http::ClientResponse> response;
    http::Url url;  ///< after redirects; what Location and Link are relative to
    int status() const { return response->status; }
};

/// Sends one request, and does what each of them needs: authentication (at most two rounds of it), redirects
/// (at most 10; without Authorization on another host; never from HTTPS to HTTP unless the host is insecure),
/// repetition with exponential back-off and jitter after a connection that failed, 408, 429 and 5xx (heeding
/// Retry-After up to a minute). Requests whose body comes from a producer are sent once. Belongs to the
/// loop's thread.
class Transport {
  public:
    Transport(async::Context& context, const ClientConfig& config, const Endpoints& endpoints);
    ~Transport();

    /// The answer, whatever its status: see check(). Throws unavailable where none came.
    async::Task<Answer> send(Call call);
    /// Throws the ResponseError of an answer that is not 2xx.
    async::Task<void> check(Answer& answer);
    /// Whether an insecure host speaks HTTP instead of HTTPS: asked once.
    async::Task<bool> speaks_plain(Endpoint endpoint);
    /// How long to wait before repetition number `attempt` (from 1).
    std::chrono::milliseconds back_off(unsigned attempt);
    unsigned max_attempts() const;
    const Endpoints& endpoints() const { return endpoints_; }
    async::Context& context() { return context_; }

  private:
    async::Task<Answer> send_signed(Call& call);
    async::Task<Answer> follow(Call& call, const std::optional<std::string>& authorization);

    async::Context& context_;
    const ClientConfig& config_;
    const Endpoints& endpoints_;
    http::Client http_;
    std::map<std::string, bool> plain_;  ///< by authority
};

/// Whether a failure may pass by itself: a connection that broke, a time-out, 408, 429, 5xx.
bool is_transient(const Error& error);

/// Reads what is left of a small body, so that its connection is used again; a big one costs the connection.
async::Task<void> drain(http::ClientResponse& response);

}  // namespace berth::registry
