// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "base/error.h"
#include "engine/config/daemon_config.h"
#include "engine/oci/create_rules.h"
#include "engine/oci/host_facts.h"
#include "spec/api/container_config.h"

/// A host and a daemon that don't depend on where the tests run.
namespace berth::engine {

inline HostFacts test_host() {
    HostFacts host;
    host.memory_limit = host.swap_limit = host.memory_reservation = true;
    host.oom_kill_disable = host.memory_swappiness = true;
    host.cpu_shares = host.cpu_cfs = host.cpuset = host.pids_limit = true;
    host.cpus = "0-1";
    host.mems = "0";
    host.blkio_weight = host.blkio_weight_device = true;
    host.blkio_read_bps = host.blkio_write_bps = host.blkio_read_iops = host.blkio_write_iops = true;
    host.cgroup_devices = host.cgroup_namespaces = true;
    host.kernel_major = 6;
    host.kernel_minor = 1;
    host.architecture = "x86_64";
    host.seccomp = host.user_namespaces = true;
    host.capabilities = (uint64_t{1} << 41) - 1;
    host.ping_group_range = host.unprivileged_port_start = true;
    host.cpu_count = 2;
    host.hostname = "machine";
    return host;
}

inline DaemonConfig test_daemon() {
    DaemonConfig daemon;
    daemon.cgroup_parent = "/docker";
    daemon.default_cgroupns_mode = "private";
    return daemon;
}

inline const std::string kTestId(64, 'a');

/// `json` is the body of a create request. The containers "web" (id bbb…) and the network "net" exist.
struct CreateCase {
    DaemonConfig daemon = test_daemon();
    HostFacts host = test_host();
    spec::ImageRunConfig image;

    CreatePlan apply(const std::string& text) const {
        CreateFacts facts{daemon, host, kTestId, &image, [](std::string_view name) {
                              return name == "web" ? std::optional(std::string(64, 'b')) : std::nullopt;
                          }};
        return apply_create_rules(facts, spec::api::decode_container_create_request(json::parse(text)));
    }
    /// With Cmd and `more` members of HostConfig.
    CreatePlan host_config(const std::string& more) const {
        return apply(R"({"Cmd":["true"],"HostConfig":{)" + more + "}}");
    }
};

/// The message and kind of what `body` throws; "" where it doesn't.
template <typename Body>
std::string error_of(Body&& body, ErrorKind* kind = nullptr) {
    try {
        body();
    } catch (const Error& error) {
        if (kind) *kind = error.kind();
        return error.what();
    }
    return {};
}

}  // namespace berth::engine
