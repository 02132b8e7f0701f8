// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "spec/api/network_views.h"

namespace berth::api {

/// The networks that every daemon has: `host` and `none`, sorted by name. Their ids and date are those of the
/// daemon's data root, so they stay the same as long as it does.
std::vector<spec::api::Network> default_networks(const std::string& data_root);

/// What stands for the endpoint of a container in one of them, which has none of its own.
std::string endpoint_id(std::string_view network_id, std::string_view container_id);

}  // namespace berth::api
