// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "async/stream.h"
#include "base/error.h"
#include "base/strings.h"

namespace berth::async {

namespace {

[[noreturn]] void fail(std::string_view text, std::string_view why) {
    throw make_error(ErrorKind::invalid_argument, "invalid address {}: {}", quote(text), why);
}

Address parse_tcp(std::string_view whole, std::string_view text) {
    size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) fail(whole, "missing port in address");
    Address address;
    std::string_view host = text.substr(0, colon);
    if (host.starts_with('[')) {
        if (!host.ends_with(']')) fail(whole, "missing ']' in address");
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
        fail(whole, "too many colons in address (IPv6 addresses are written in brackets)");
    }
    auto port = parse_number<uint16_t>(text.substr(colon + 1));
    if (!port) fail(whole, "invalid port");
    address.host = host;
    address.port = *port;
    return address;
}

}  // namespace

Address Address::parse(std::string_view text) {
    constexpr std::string_view kUnix = "unix://", kTcp = "tcp://";
    if (text.starts_with('/') || text.starts_with(kUnix)) {
        Address address;
        address.kind = Kind::unix_socket;
        address.host = text.starts_with('/') ? text : text.substr(kUnix.size());
        if (address.host.empty()) fail(text, "missing path of the socket");
        return address;
    }
    if (text.starts_with(kTcp)) return parse_tcp(text, text.substr(kTcp.size()));
    if (text.find("://") != std::string_view::npos) fail(text, "unix:// or tcp:// is expected");
    return parse_tcp(text, text);
}

std::string Address::text() const {
    if (kind == Kind::unix_socket) return "unix://" + host;
    bool v6 = host.find(':') != std::string::npos;
    return v6 ? fmt::format("tcp://[{}]:{}", host, port) : fmt::format("tcp://{}:{}", host, port);
}

}  // namespace berth::async
