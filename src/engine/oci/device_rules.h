// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "spec/api/container_config.h"
#include "spec/runtime.h"

namespace berth::engine {

/// Nodes that a container gets in its /dev, and what its cgroup lets it do with devices.
struct DeviceSet {
    std::vector<spec::Device> nodes;
    std::vector<spec::DeviceRule> rules;
};

/// Privileged: every device below the host's /dev, and no limits. Else Docker's default rules, HostConfig's
/// Devices (folders stand for all devices in them) and DeviceCgroupRules. invalid_argument "error gathering
/// device information while adding custom device "/dev/x": no such file or directory".
DeviceSet container_devices(const spec::api::HostConfig& host_config);

/// "c 13:* rwm". invalid_argument "invalid device cgroup rule format: '…'".
spec::DeviceRule parse_device_cgroup_rule(const std::string& text);

/// No device driver is known: invalid_argument "could not select device driver "nvidia" with capabilities:
/// [[gpu]]" where there is a request.
void check_device_requests(const spec::api::HostConfig& host_config);

}  // namespace berth::engine
