// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/describe/class.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "shim/log_sink.h"

/// shim.json: what the shim is told beyond the container's config.json. The client writes it before it spawns
/// the shim.
namespace berth::shim {

struct LogSettings {
    std::string driver = "json-file";  ///< or "local", "none"
    std::string path = "log.json";     ///< relative: in the container's directory
    uint64_t max_size = 0;             ///< bytes, 0: no limit
    uint32_t max_file = 1;
    bool compress = false;
    json::Value attrs;  ///< an object that is in each record of json-file, or null
};
BOOST_DESCRIBE_STRUCT(LogSettings, (), (driver, path, max_size, max_file, compress, attrs))

struct RootfsSettings {
    std::string type;
    std::string source;
    std::vector<std::string> options;
};
BOOST_DESCRIBE_STRUCT(RootfsSettings, (), (type, source, options))

struct ShimOptions {
    std::string id;
    std::string runtime_root;  ///< empty: runtime::default_root()
    bool systemd_cgroup = false;
    std::optional<RootfsSettings> rootfs;
    bool open_stdin = false;
    bool stdin_once = false;
    LogSettings log;
    std::optional<int32_t> oom_score_adj;  ///< the shim's own
    bool no_pivot = false;
    bool no_new_keyring = false;
    /// The end of the spawner's connection ends the container, whatever was asked for before: for build
    /// steps, which are nobody's when their daemon is gone.
    bool dies_with_client = false;
};
BOOST_DESCRIBE_STRUCT(ShimOptions, (),
                      (id, runtime_root, systemd_cgroup, rootfs, open_stdin, stdin_once, log, oom_score_adj,
                       no_pivot, no_new_keyring, dies_with_client))

/// Throws invalid_argument and names the member.
ShimOptions decode_options(std::string_view json_text);
std::string encode_options(const ShimOptions& options);

/// `directory` is borrowed by the result.
LogOptions log_options(const LogSettings& settings, int directory);

}  // namespace berth::shim
