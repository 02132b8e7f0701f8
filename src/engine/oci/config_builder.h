// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "engine/config/daemon_config.h"
#include "engine/oci/host_facts.h"
#include "spec/api/container_config.h"
#include "spec/runtime.h"

namespace berth::engine {

/// All that a container's config.json follows from. References are borrowed for the call.
struct BuildInput {
    const std::string& id;
    const spec::api::ContainerConfig& config;  ///< as recorded: merged with the image's
    const spec::api::HostConfig& host_config;  ///< as recorded: with the daemon's defaults
    const std::string& path;                   ///< the program, and
    const std::vector<std::string>& args;
    const DaemonConfig& daemon;
    const HostFacts& host;

    /// Volumes, bind mounts, tmpfs: PreparedMounts of engine/volumes. A default mount at the same place is
    /// left out.
    std::vector<spec::Mount> mounts;
    std::string rootfs_propagation;  ///< PreparedMounts again
    /// Files that are bound over those in /etc; "": none. A mount of the user's at the same place wins.
    std::string hostname_path, hosts_path, resolv_conf_path;

    /// A descriptor of the root folder for user look-ups, borrowed; -1: none (see user_lookup.h).
    int root = -1;
    std::string root_path = "rootfs";  ///< config.json's root.path

    /// The init processes of the containers whose namespaces are joined ("container:x"); 0: not joined.
    pid_t network_pid = 0, ipc_pid = 0, pid_pid = 0;
    /// A network namespace that was made for the container; "": the runtime makes one (with lo only).
    std::string network_namespace;
    /// Of the container whose network is joined: its names are this one's too.
    std::string joined_hostname, joined_domainname;
    /// The host's folder behind /dev/shm for the ipc modes shareable (its own) and container:x (that one's),
    /// see shared_memory.h; "": the container gets a tmpfs of its own.
    std::string shm_path;
    /// The program for --init where the daemon has no init of its own: berth-shim's path.
    std::string shim_path;
};

/// The OCI configuration of a container that starts now; docs/oci-config.md says what it is made of. Reads
/// /dev (privileged, devices), passwd and group. May run on any thread. Errors are `internal` with Docker's
/// text, as dockerd has it: the request to start was all right. conflict where a container that is to be
/// joined does not run.
spec::Config build_config(const BuildInput& input);
/// The same as config.json's text, at a tenth of the cost of encode_config(build_config()): the seccomp
/// profile is kept as text.
std::string build_config_text(const BuildInput& input);

/// PATH, HOSTNAME, TERM (with a terminal), and over them the container's own variables.
std::vector<std::string> container_environment(const spec::api::ContainerConfig& config, bool terminal,
                                               const std::vector<std::string>& links = {});

/// Below the daemon's or the container's own parent: "/docker/<id>".
std::string container_cgroup_path(const std::string& id, const spec::api::HostConfig& host_config,
                                  const DaemonConfig& daemon);

/// What Docker masks and makes read-only in /proc and /sys.
std::vector<std::string> default_masked_paths(const HostFacts& host);
std::vector<std::string> default_readonly_paths();

}  // namespace berth::engine
