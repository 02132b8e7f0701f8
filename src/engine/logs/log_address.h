// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace berth::engine {

/// Where a forwarded log goes.
struct LogAddress {
    std::string scheme;  ///< tcp, tcp+tls, udp, unix, unixgram; empty: the local syslog
    std::string host;
    uint16_t port = 0;
    std::string path;

    bool operator==(const LogAddress&) const = default;
};

/// Option syslog-address, fluentd-address, gelf-address. Throw invalid_argument in dockerd's words.
LogAddress parse_syslog_address(const std::string& text);
LogAddress parse_fluentd_address(const std::string& text);
LogAddress parse_gelf_address(const std::string& text);

/// Option syslog-facility: a name or a number; 3 (daemon) if empty.
int parse_syslog_facility(const std::string& text);

/// As Go's strconv.ParseBool and time.ParseDuration, with their errors.
bool parse_bool_option(const std::string& text);
int64_t parse_duration_option(const std::string& text);  ///< nanoseconds

}  // namespace berth::engine
