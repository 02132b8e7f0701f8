// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "async/stream.h"
#include "http/client.h"
#include "http/server.h"

typedef struct ssl_ctx_st SSL_CTX;
typedef struct x509_store_ctx_st X509_STORE_CTX;

/// TLS 1.2 and 1.3 with OpenSSL, right on a stream's socket: the kernel's buffers are read and written by
/// OpenSSL itself, and an idle connection holds no record buffers (SSL_MODE_RELEASE_BUFFERS).
namespace berth::http {

/// Certificates and keys, read once and shared by connections.
class TlsContext {
  public:
    explicit TlsContext(SSL_CTX* owned) : context_(owned) {}
    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;
    SSL_CTX* get() const { return context_; }

  private:
    SSL_CTX* context_;
};

/// Throw with the file that can't be used, and why.
std::shared_ptr<TlsContext> tls_server_context(const TlsServerOptions& options);
std::shared_ptr<TlsContext> tls_client_context(const TlsClientOptions& options);

struct TlsAccepted {
    std::unique_ptr<async::Stream> stream;
    std::string client_name;  ///< subject's common name of the client's certificate, if it showed one
};

/// The handshake of a server. `plain` must be a bare socket. A client that speaks plain HTTP is told so.
async::Task<TlsAccepted> tls_accept(std::shared_ptr<TlsContext> context,
                                    std::unique_ptr<async::Stream> plain);
/// The handshake of a client with `host` (a name or an IP address), whose certificate must be for it unless
/// the context doesn't verify. Errors in the words of Go's clients: "tls: failed to verify certificate: x509:
/// …", "http: server gave HTTP response to HTTPS client".
async::Task<std::unique_ptr<async::Stream>> tls_connect(std::shared_ptr<TlsContext> context,
                                                        std::unique_ptr<async::Stream> plain,
                                                        std::string host);

/// What becomes of the peer's certificate; each connection carries one as its app data.
struct Verification {
    std::string host;     ///< whose certificate is wanted; "" for a client's
    std::string failure;  ///< why it was refused, as Go says it
};
/// OpenSSL's callback: notes the failure and lets it stand.
int note_verification(int accepted, X509_STORE_CTX* chain);
/// OpenSSL's last error in words, its queue emptied.
std::string take_tls_error();

}  // namespace berth::http
