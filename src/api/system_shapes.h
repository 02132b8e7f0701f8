// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/version.h"
#include "spec/api/system_views.h"

namespace berth::api {

/// /info and /system/df in the form of a client's version.
json::Value encode_info_for(spec::api::Info info, ApiVersion version);
void shape_disk_usage(spec::api::DiskUsage& usage, ApiVersion version);

}  // namespace berth::api
