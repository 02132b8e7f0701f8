// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/config/daemon_config.h"

/// Which member of DaemonConfig an option sets.
namespace berth::engine {

using Texts = std::vector<std::string>;
using TextMap = std::map<std::string, std::string>;

/// monostate: accepted, of no effect.
using Target = std::variant<std::monostate, bool*, int*, int64_t*, std::string*, Texts*, TextMap*,
                            std::map<std::string, UlimitSetting>*, std::map<std::string, RuntimeSetting>*,
                            std::vector<AddressPoolSetting>*, std::map<std::string, bool>*,
                            std::map<std::string, TextMap>*>;

/// By the option's key in the file.
Target target_of(DaemonConfig& config, std::string_view key);

}  // namespace berth::engine
