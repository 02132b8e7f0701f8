// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/client.h"
#include "http/head.h"
#include "http/tls.h"
#include "http/wire.h"

namespace berth::http {

/// Where a request goes: what connections are kept by.
struct Route {
    Url url;                  ///< scheme, host and port count
    std::string unix_socket;  ///< not empty: instead of them
    std::optional<Url> proxy;

    std::string key() const;
    /// Whether requests name the whole URL, for a proxy that forwards them.
    bool is_forwarded() const { return proxy && url.scheme == "http"; }
};

/// A connection on which one request after the other is sent.
class ClientConnection {
  public:
    ClientConnection(std::string route_key, std::unique_ptr<async::Stream> stream, bool secure)
        : key(std::move(route_key)), wire(std::move(stream)), is_secure(secure) {}

    /// Whether a kept connection can take a request: the server has neither closed it nor said anything.
    bool is_fresh();
    std::string key;
    Wire wire;
    bool is_secure;
    std::chrono::steady_clock::time_point idle_since;
};

struct ClientState {
    ClientState(async::Context& loop, ClientOptions given) : context(loop), options(std::move(given)) {}

    async::Context& context;
    ClientOptions options;
    std::map<std::string, std::vector<std::shared_ptr<ClientConnection>>> idle;
    std::map<std::string, std::shared_ptr<TlsContext>> tls_contexts;

    /// The kept connection that was used last, or nothing.
    std::shared_ptr<ClientConnection> take(const std::string& key);
    void keep(std::shared_ptr<ClientConnection> connection);
    /// The certificates for a URL; read once.
    std::shared_ptr<TlsContext> tls_for(const Url& url);
};

/// A new connection: TCP or unix, through the proxy if there is one, with TLS for https. Within
/// connect_timeout.
async::Task<std::shared_ptr<ClientConnection>> dial(std::shared_ptr<ClientState> client, Route route);

/// Reads up to the end of a response's head; passes over interim ones (1xx but 101). `begun` tells whether
/// any byte of it came.
async::Task<ResponseHead> read_response_head(Wire& wire, bool& begun);

}  // namespace berth::http
