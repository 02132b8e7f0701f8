// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "async/context.h"
#include "async/stream.h"
#include "http/message.h"

/// HTTP/1.1 server (RFC 9110, 9112): keep-alive, 100-continue, chunked both ways, upgrade and hijack, over
/// unix, TCP and TLS sockets. Handlers are coroutines on the context's thread.
namespace berth::http {

class Request {
  public:
    virtual ~Request() = default;
    std::string method;
    std::string target;  ///< as sent
    std::string path;    ///< percent-decoded, without query; "/" at least
    Query query;
    Headers headers;
    std::string peer;  ///< of the connection, for logs
    std::optional<uint64_t> content_length;
    bool has_body = false;
    std::string remote_user;         ///< who the handler found the client to be; for the access log
    std::string client_certificate;  ///< subject's common name with TLS client authentication

    /// The next bytes of the body; 0 at its end. Sends "100 Continue" first where the client waits for it. A
    /// body that is cut off throws unavailable. The chunked coding is taken off.
    virtual async::Task<size_t> read_some(std::span<std::byte> into) = 0;
    /// Ends when the client has gone away (or ended its sending, which is the same to HTTP). What it sends
    /// meanwhile, such as its next request, is kept. To be awaited beside what a handler waits for, while
    /// nobody reads the body; no time-out of the connection counts.
    virtual async::Task<void> disconnected() = 0;
    /// Runs `work` to its end, or cancels it when the client has gone away: false. For handlers that wait.
    async::Task<bool> while_connected(async::Task<void> work);
    /// The whole body; StatusError 413 where it is longer than `limit`.
    async::Task<std::string> read_all(size_t limit);
};

/// One of: send, send_file, start … write … finish, hijack; exactly once. A handler that returns without any
/// gives 500; what it throws becomes a response through ServerOptions::error_response unless one was started.
/// Where a started response does not come to its end the connection is closed, so that the client sees it cut
/// off.
class Response {
  public:
    virtual ~Response() = default;
    int status = 200;
    /// Transfer-Encoding, Date and Connection are set by the server ("Connection: close" is heeded),
    /// Content-Length too but for start(), HEAD and 304, where the handler may set it.
    Headers headers;

    virtual async::Task<void> send(std::string body = {}) = 0;
    /// `length` bytes of a file from `offset`, without copying where the connection is plain. For HEAD only
    /// the headers.
    virtual async::Task<void> send_file(int fd, uint64_t offset, uint64_t length) = 0;
    /// Sends the headers; the body follows with write() (chunked, unless Content-Length was set) until
    /// finish(). Each write() goes out at once.
    virtual async::Task<void> start() = 0;
    virtual async::Task<void> write(std::span<const std::byte> data) = 0;
    async::Task<void> write(std::string_view text);
    virtual async::Task<void> finish() = 0;
    /// Moves the connection to the thread of `other`, runs `work` there and comes back. The request and this
    /// response are for `work` alone meanwhile: it reads the body, awaits disconnected(), writes between
    /// start() and finish(). For what moves many bytes, so that the server's own thread stays free. `other`
    /// must not end before this does.
    virtual async::Task<void> run_on(async::Context& other, async::Task<void> work) = 0;
    /// Sends `head` verbatim (a whole "HTTP/1.1 101 …\r\n\r\n"; may be empty) and gives the connection away:
    /// bytes that were already read come first from the stream.
    virtual async::Task<std::unique_ptr<async::Stream>> hijack(std::string head) = 0;
    virtual bool started() const = 0;
};

using Handler = std::function<async::Task<void>(Request&, Response&)>;

struct TlsServerOptions {
    std::string certificate_file, key_file;
    std::string client_ca_file;  ///< not empty: clients must show a certificate of it
};

/// What the access log and metrics want to know of a finished request.
struct AccessRecord {
    std::string method, target, peer, user_agent, remote_user;
    int status = 0;
    uint64_t bytes_in = 0, bytes_out = 0;
    std::chrono::nanoseconds duration{};
};

struct ServerOptions {
    std::optional<TlsServerOptions> tls;
    size_t max_header_bytes = 64 * 1024;
    std::chrono::milliseconds header_timeout{30'000};  ///< for a request's head, and for TLS handshakes
    std::chrono::milliseconds keep_alive_timeout{180'000};
    std::chrono::milliseconds body_idle_timeout{120'000};  ///< no byte read or written for so long ends it
    size_t max_connections = 10'000;
    /// Turns what a handler threw into a response that is not started yet. Without it: status_of() and
    /// {"message": "…"}; what is no Error is answered with 500.
    std::function<async::Task<void>(std::exception_ptr, Request&, Response&)> error_response;
    std::function<void(const AccessRecord&)> access;
};

struct ServerState;

class Server {
  public:
    /// Throws where the certificates of options.tls can't be read.
    Server(async::Context& context, ServerOptions options, Handler handler);
    /// Closes what listens and cancels all requests, which end when the loop runs next: stop() before, so
    /// that handlers don't outlive what they refer to.
    ~Server();

    /// Binds and listens; a unix socket that nobody answers on is replaced. The address with its real port.
    /// Throws with the address and a hint (in use by another process).
    async::Address listen(const async::Address& address);
    /// A socket that listens already (from a parent process).
    void listen_on(UniqueFd socket);

    /// Takes no new connections, closes idle ones, waits for requests in progress up to `grace`, then closes
    /// all.
    async::Task<void> stop(std::chrono::milliseconds grace);
    size_t open_connections() const;

  private:
    std::shared_ptr<ServerState> state_;
};

}  // namespace berth::http
