// SPDX-License-Identifier: Apache-2.0
#include "engine/logs/log_address.h"

#include <array>
#include <optional>

#include "base/error.h"
#include "base/strings.h"
#include "engine/system/timestamp.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

Error wrong(std::string text) {
    return Error(ErrorKind::invalid_argument, std::move(text));
}

bool is_transport(std::string_view text) {
    for (std::string_view scheme : {"tcp://", "tcp+tls://", "udp://", "unix://", "unixgram://"})
        if (text.starts_with(scheme)) return true;
    return false;
}

/// "host:port", "[::1]:port", "host"; the port is nothing where there is none.
struct HostPort {
    std::string host;
    std::optional<std::string> port;
};
HostPort split_host_port(const std::string& text) {
    size_t bracket = text.find(']');
    size_t colon = text.rfind(':');
    if (text.starts_with('[') && bracket != std::string::npos) {
        HostPort result{text.substr(1, bracket - 1), {}};
        if (bracket + 1 < text.size() && text[bracket + 1] == ':') result.port = text.substr(bracket + 2);
        return result;
    }
    if (colon == std::string::npos) return {text, {}};
    if (text.find(':') != colon) throw wrong("address " + text + ": too many colons in address");
    return {text.substr(0, colon), text.substr(colon + 1)};
}

uint16_t port_number(const std::string& text) {
    if (auto number = parse_number<uint16_t>(text)) return *number;
    throw wrong("strconv.Atoi: parsing " + quote(text) + ": invalid syntax");
}

LogAddress split_url(const std::string& text) {
    LogAddress address;
    size_t colon = text.find("://");
    address.scheme = text.substr(0, colon);
    std::string rest = text.substr(colon + 3);
    if (address.scheme.starts_with("unix")) {
        address.path = rest;
        return address;
    }
    address.host = rest.substr(0, rest.find('/'));
    return address;
}

}  // namespace

LogAddress parse_syslog_address(const std::string& text) {
    if (text.empty()) return {};
    if (!is_transport(text)) throw wrong("syslog-address should be in form proto://address, got " + text);
    LogAddress address = split_url(text);
    if (!address.path.empty() || address.scheme.starts_with("unix")) {
        if (!sys::exists(address.path)) throw wrong("stat " + address.path + ": no such file or directory");
        return address;
    }
    HostPort parts = split_host_port(address.host);
    address.host = parts.host;
    address.port = port_number(parts.port.value_or("514"));
    return address;
}

LogAddress parse_fluentd_address(const std::string& text) {
    LogAddress address{"tcp", "127.0.0.1", 24224, ""};
    if (text.empty()) return address;
    return with_context("invalid fluentd-address " + text, [&] {
        std::string where = text;
        if (text.find("://") != std::string::npos) {
            if (!is_transport(text) && !text.starts_with("tls://")) throw wrong("unsupported scheme");
            LogAddress given = split_url(text);
            if (given.scheme == "udp" || given.scheme == "tcp+tls")
                throw wrong("unsupported scheme: '" + given.scheme + "'");
            if (given.scheme.starts_with("unix")) {
                if (given.path.empty() || given.path == "/") throw wrong("path is empty");
                return given;
            }
            address.scheme = given.scheme;
            where = given.host;
        }
        if (where.empty()) return address;
        HostPort parts = split_host_port(where);
        address.host = parts.host;
        if (parts.port) address.port = port_number(*parts.port);
        return address;
    });
}

LogAddress parse_gelf_address(const std::string& text) {
    if (text.empty()) throw wrong("gelf-address is a required parameter");
    if (!is_transport(text)) throw wrong("gelf-address should be in form proto://address, got " + text);
    LogAddress address = split_url(text);
    if (address.scheme != "udp" && address.scheme != "tcp")
        throw wrong("gelf: endpoint needs to be TCP or UDP");
    HostPort parts = split_host_port(address.host);
    if (!parts.port) throw wrong("gelf: please provide gelf-address as proto://host:port");
    address.host = parts.host;
    address.port = port_number(*parts.port);
    return address;
}

int parse_syslog_facility(const std::string& text) {
    // RFC 5424, 6.2.1; 12 to 15 have no name here.
    static constexpr std::array<std::string_view, 24> kNames = {
        "kern",   "user",   "mail",     "daemon", "auth",   "syslog", "lpr",    "news",
        "uucp",   "cron",   "authpriv", "ftp",    "",       "",       "",       "",
        "local0", "local1", "local2",   "local3", "local4", "local5", "local6", "local7"};
    if (text.empty()) return 3;
    for (size_t i = 0; i < kNames.size(); ++i)
        if (text == kNames[i]) return static_cast<int>(i);
    auto number = parse_number<int>(text);
    if (number && *number >= 0 && *number <= 23) return *number;
    throw wrong("invalid syslog facility");
}

bool parse_bool_option(const std::string& text) {
    for (std::string_view word : {"1", "t", "T", "true", "TRUE", "True"})
        if (text == word) return true;
    for (std::string_view word : {"0", "f", "F", "false", "FALSE", "False"})
        if (text == word) return false;
    throw wrong("strconv.ParseBool: parsing " + quote(text) + ": invalid syntax");
}

int64_t parse_duration_option(const std::string& text) {
    if (auto duration = parse_go_duration(text)) return *duration;
    throw wrong("time: invalid duration " + quote(text));
}

}  // namespace berth::engine
