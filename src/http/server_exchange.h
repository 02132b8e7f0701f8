// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "http/head.h"
#include "http/server.h"
#include "http/server_connection.h"
#include "http/wire.h"

/// One request and its response, as the handler sees them.
namespace berth::http {

class ServerRequest : public Request {
  public:
    /// Throws StatusError where the head makes no request that can be served.
    ServerRequest(ServerConnection& connection, RequestHead head);

    async::Task<size_t> read_some(std::span<std::byte> into) override;
    async::Task<void> disconnected() override;

    bool keeps_alive() const { return keeps_alive_; }
    int minor_version() const { return minor_version_; }
    const BodyReader& body() const { return body_; }
    /// Whether the client holds its body back until it is told to go on.
    bool waits_for_continue() const { return waits_for_continue_; }
    /// Reads on to the end of the body, so that the next request can come; false where that is not worth it.
    async::Task<bool> drain();

  private:
    ServerConnection& connection_;
    Framing framing_;
    BodyReader body_;
    int minor_version_;
    bool keeps_alive_ = false;
    bool waits_for_continue_ = false;
};

class ServerResponse : public Response {
  public:
    ServerResponse(ServerConnection& connection, ServerRequest& request)
        : connection_(connection), request_(request) {}

    using Response::write;
    async::Task<void> send(std::string body) override;
    async::Task<void> send_file(int fd, uint64_t offset, uint64_t length) override;
    async::Task<void> start() override;
    async::Task<void> write(std::span<const std::byte> data) override;
    async::Task<void> finish() override;
    async::Task<void> run_on(async::Context& other, async::Task<void> work) override;
    async::Task<std::unique_ptr<async::Stream>> hijack(std::string head) override;
    bool started() const override { return state_ != State::unstarted; }

    bool finished() const { return state_ == State::finished; }
    bool hijacked() const { return hijacked_; }
    /// Whether the connection ends with this response.
    bool closes() const { return closes_; }
    uint64_t bytes_out() const { return bytes_out_; }

  private:
    enum class State { unstarted, body, finished };

    /// Whether the response has a body by its status and the request's method (RFC 9112, 6.3).
    bool has_body() const;
    void begin(State next);
    /// The head's text. `length`: of a body that is sent with it.
    std::string head_text(std::optional<uint64_t> length);

    ServerConnection& connection_;
    ServerRequest& request_;
    State state_ = State::unstarted;
    bool hijacked_ = false;
    bool closes_ = false;
    bool chunked_ = false;
    std::optional<uint64_t> announced_;  ///< the handler's Content-Length, of start()
    uint64_t bytes_out_ = 0;
};

/// "Sun, 06 Nov 1994 08:49:37 GMT", now.
std::string_view http_date();

/// The response to an error where the server's owner has no other wish.
async::Task<void> default_error_response(std::exception_ptr error, Response& response);

}  // namespace berth::http
