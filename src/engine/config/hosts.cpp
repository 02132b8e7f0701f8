// SPDX-License-Identifier: Apache-2.0
#include "engine/config/hosts.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/strings.h"

namespace berth::engine {

namespace {

constexpr std::string_view kPlainPort = "2375", kTlsPort = "2376";

/// "host:port" of tcp://…; a missing host is this machine alone, as for dockerd.
std::string tcp_host(std::string_view text, std::string_view address, bool tls) {
    auto malformed = [&](std::string_view why) {
        return make_error(ErrorKind::invalid_argument, "invalid bind address ({}): {}", text, why);
    };
    if (address.find('/') != std::string_view::npos) {
        if (!address.ends_with('/') || address.find('/') != address.size() - 1)
            throw malformed("should not contain a path element");
        address.remove_suffix(1);
    }
    std::string host, port;
    if (address.starts_with('[')) {
        size_t end = address.find(']');
        if (end == std::string_view::npos) throw malformed("missing ']' in address");
        host = address.substr(0, end + 1);
        std::string_view rest = address.substr(end + 1);
        if (!rest.empty() && rest.front() != ':') throw malformed("invalid address");
        port = rest.empty() ? "" : rest.substr(1);
    } else {
        size_t colon = address.rfind(':');
        if (colon != std::string_view::npos && address.find(':') != colon)
            throw malformed("too many colons in address");
        host = address.substr(0, colon);
        port = colon == std::string_view::npos ? "" : address.substr(colon + 1);
    }
    if (host.empty()) host = "localhost";
    if (port.empty()) port = tls ? kTlsPort : kPlainPort;
    if (!parse_number<uint16_t>(port)) throw malformed(fmt::format("invalid port {}", quote(port)));
    return fmt::format("tcp://{}:{}", host, port);
}

}  // namespace

std::string normalize_host(std::string_view text, bool tls) {
    std::string_view host = trim(text);
    if (host.empty()) return tls ? tcp_host(host, "", true) : fmt::format("unix://{}", kDefaultSocket);
    size_t at = host.find("://");
    std::string_view scheme = at == std::string_view::npos ? "tcp" : host.substr(0, at);
    std::string_view rest = at == std::string_view::npos ? host : host.substr(at + 3);
    if (scheme == "fd") return std::string(host);
    if (scheme == "unix") {
        if (rest.empty()) rest = kDefaultSocket;
        if (rest.front() != '/')
            throw make_error(ErrorKind::invalid_argument,
                             "invalid bind address ({}): a unix socket's path must be absolute", text);
        return fmt::format("unix://{}", rest);
    }
    if (scheme == "tcp") return tcp_host(text, rest, tls);
    throw make_error(ErrorKind::invalid_argument, "invalid bind address ({}): unsupported proto '{}'", text,
                     scheme);
}

}  // namespace berth::engine
