// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/config/daemon_config.h"
#include "engine/containers/record.h"

/// The files that are bound over /etc/hostname, /etc/hosts and /etc/resolv.conf, in
/// <data-root>/containers/<id>.
namespace berth::engine {

/// Localhost's lines, extra hosts ("name:address", "name=address", host-gateway), the container's own name
/// for each of `addresses`. With the host's network: the host's own file and the extra hosts.
std::string hosts_text(const ContainerRecord& record, const DaemonConfig& daemon,
                       const std::vector<std::string>& addresses, std::string_view host_file);
/// The host's, with what the container or the daemon sets in its place. Without name servers that a network
/// namespace of its own could reach (all on the loopback device) those are left out.
std::string resolv_conf_text(const ContainerRecord& record, const DaemonConfig& daemon,
                             std::string_view host_file);

struct EtcFiles {
    std::string hostname, hosts, resolv_conf;  ///< paths
};
EtcFiles etc_files(const std::string& directory);
/// Those of a container with a network namespace of its own, or the host's. Blocking.
void write_etc_files(const EtcFiles& files, const ContainerRecord& record, const DaemonConfig& daemon);

}  // namespace berth::engine
