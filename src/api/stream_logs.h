// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "api/router.h"

namespace berth::api {

/// The Content-Type of output: since 1.42 it says whether there are frames in it.
std::string_view stream_type(ApiVersion version, bool framed);

/// GET /containers/{id}/logs.
async::Task<void> send_logs(Call& call);

}  // namespace berth::api
