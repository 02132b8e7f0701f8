// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/networks/network_record.h"
#include "engine/networks/networks.h"
#include "spec/api/filters.h"
#include "spec/api/network_views.h"

/// Networks as the API shows them.
namespace berth::engine {

/// Without members.
spec::api::Network network_view(const NetworkRecord& record);
spec::api::NetworkContainer member_view(const NetworkMember& member);

/// Throws invalid_argument for filters that lists don't have.
void check_list_filters(const spec::api::Filters& filters);
/// `is_used`: it has members.
bool is_listed(const NetworkRecord& record, bool is_used, const spec::api::Filters& filters);

}  // namespace berth::engine
