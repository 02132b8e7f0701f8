// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <set>
#include <string>

#include "base/json.h"
#include "engine/config/daemon_config.h"
#include "engine/config/options.h"

/// From the command line and daemon.json to a DaemonConfig, by dockerd's rules: an option may be in one of
/// both places, unknown keys and impossible values are errors, in its words.
namespace berth::engine {

inline constexpr std::string_view kDefaultConfigFile = "/etc/berth/daemon.json";

struct ConfigSources {
    FlagValues flags;
    std::string config_file = std::string(kDefaultConfigFile);
    bool config_file_given = false;  ///< a default one may be absent
};

/// Blocking: reads the file, looks at the host's cgroups. Throws invalid_argument (not_found for a file that
/// was named and is absent).
DaemonConfig load_config(const ConfigSources& sources);

/// The keys that a file sets, in their order, with the groups ("proxies") taken apart.
struct FileConfig {
    json::Object values;
    bool contains(std::string_view key) const { return values.contains(key); }
};
/// Nothing where the file is absent and was not asked for.
std::optional<FileConfig> read_config_file(const ConfigSources& sources);

/// Puts what `flags` and `file` say into `config`. Throws at the first wrong value.
void apply_flags(DaemonConfig& config, const FlagValues& flags);
void apply_file(DaemonConfig& config, const FileConfig& file);

/// What no single value shows: dockerd's checks of the whole. Throws.
void validate(const DaemonConfig& config);

}  // namespace berth::engine
