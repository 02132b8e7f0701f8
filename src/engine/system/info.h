// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "engine/config/daemon_config.h"
#include "engine/oci/host_facts.h"
#include "spec/api/system_views.h"

/// The parts of /info and /version that follow from the configuration and the host alone.
namespace berth::engine {

inline constexpr std::string_view kApiVersion = "1.51";
inline constexpr std::string_view kMinApiVersion = "1.24";

spec::api::Version describe_version(const HostFacts& host, bool experimental);
/// All but counts of containers, images and listeners.
spec::api::Info describe_daemon(const DaemonConfig& config, const HostFacts& host);
/// "ext4" as Docker names it, by the file system that `path` is on.
std::string backing_file_system(const std::string& path);
/// A proxy's URL without its password: "http://xxxxx:xxxxx@host".
std::string mask_credentials(const std::string& url);

}  // namespace berth::engine
