// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "engine/config/daemon_config.h"

/// Single values of options in their text forms. All throw invalid_argument in dockerd's words.
namespace berth::engine {

/// "nofile=1024:2048", "nproc=100".
UlimitSetting parse_ulimit(std::string_view text);
/// "kata=/usr/bin/kata-runtime".
std::pair<std::string, RuntimeSetting> parse_runtime(std::string_view text);
/// "base=10.0.0.0/8,size=24".
AddressPoolSetting parse_address_pool(std::string_view text);
/// "name" or "name=false".
std::pair<std::string, bool> parse_feature(std::string_view text);
int64_t parse_bytes(std::string_view text);
void check_label(std::string_view text);
void check_ip(std::string_view text);
void check_dns_search(std::string_view text);
/// With a "/" at its end.
std::string checked_mirror(std::string_view text);
/// Without a scheme.
std::string checked_insecure_registry(std::string_view text);

}  // namespace berth::engine
