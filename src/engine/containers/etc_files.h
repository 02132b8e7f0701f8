// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/config/daemon_config.h"
#include "engine/containers/record.h"

/// The files that are bound over /etc/hostname, /etc/hosts and /etc/resolv.conf, in
/// <data-root>/containers/<id>.
namespace berth::engine {

/// What the files say of the container's networks.
struct EtcNetworks {
    std::vector<std::string> addresses;  ///< its own: "172.17.0.2"
    std::vector<std::pair<std::string, std::string>>
        links;                               ///< address, names: "172.17.0.3", "db 1234 postgres"
    std::vector<std::string> host_gateways;  ///< what "host-gateway" means
    bool asks_us = false;                    ///< its name server is the daemon's (127.0.0.11)
};

/// Localhost's lines, extra hosts ("name:address", "name=address", host-gateway), links, the container's own
/// name for each of its addresses. With the host's network: the host's own file and the extra hosts.
std::string hosts_text(const ContainerRecord& record, const DaemonConfig& daemon, const EtcNetworks& networks,
                       std::string_view host_file);
/// The host's, with what the container or the daemon sets in its place. Name servers on the loopback device,
/// which a network namespace of its own can't reach, are left out. Where the daemon's name server answers it
/// is the only one, and asks the others.
std::string resolv_conf_text(const ContainerRecord& record, const DaemonConfig& daemon,
                             const EtcNetworks& networks, std::string_view host_file);

struct EtcFiles {
    std::string hostname, hosts, resolv_conf;  ///< paths
};
EtcFiles etc_files(const std::string& directory);
/// Those of a container with a network namespace of its own, or the host's; also while it runs. A file that
/// somebody has changed since it was written here stays as it is (etc.json beside them tells). Blocking.
void write_etc_files(const EtcFiles& files, const ContainerRecord& record, const DaemonConfig& daemon,
                     const EtcNetworks& networks);

}  // namespace berth::engine
