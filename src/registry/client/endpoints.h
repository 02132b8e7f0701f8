// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/client.h"
#include "http/message.h"

namespace berth::registry {

struct ClientConfig;

/// Where a registry is spoken to.
struct Endpoint {
    http::Url base;  ///< target is the prefix of all paths: "" or "/some/path", without a slash at its end
    bool mirror = false;
    /// HTTPS is tried first, without verification; where nothing speaks it, HTTP. Only for insecure hosts.
    bool plain_too = false;
    std::string credentials_of;  ///< the host that credentials are looked up for

    /// "https://registry-1.docker.io/v2/" + rest.
    http::Url url(std::string_view rest) const;
};

/// Knows from the configuration which hosts stand for a registry and how far each is trusted. Immutable.
///
///   docker.io, pull:   the mirrors in their order, then https://registry-1.docker.io
///   docker.io, push:   https://registry-1.docker.io
///   others:            https://<domain>; for insecure ones then http://<domain>
///
/// Insecure is what the configuration names ("host:port", or an address within a CIDR), and loopback:
/// 127.0.0.0/8, ::1, localhost. Names are not resolved for that, unlike dockerd does: an answer of DNS is no
/// reason to send a password unencrypted.
class Endpoints {
  public:
    /// Throws invalid_argument for a malformed mirror or CIDR.
    explicit Endpoints(const ClientConfig& config);

    enum class Purpose { pull, push };
    std::vector<Endpoint> find(const std::string& domain, Purpose purpose) const;
    /// `authority` is host[:port].
    bool is_insecure(std::string_view authority) const;
    /// May a request that came from `from` go on to `to` (redirect, upload location, token realm)? Never from
    /// HTTPS to HTTP, unless the host is insecure.
    bool may_follow(const http::Url& from, const http::Url& to) const;
    /// CA and client certificates of certs.d for a URL's host. Throws invalid_argument where a certificate
    /// has no key.
    http::TlsClientOptions tls(const http::Url& url) const;

  private:
    struct Network {
        std::vector<uint8_t> address;  ///< 4 or 16 bytes
        unsigned bits = 0;
    };
    std::vector<http::Url> mirrors_;
    std::vector<std::string> hosts_;
    std::vector<Network> networks_;
    std::vector<std::string> certs_dirs_;
};

}  // namespace berth::registry
