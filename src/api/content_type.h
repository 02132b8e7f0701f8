// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace berth::api {

/// Whether a Content-Type (RFC 9110, 8.3.1: with parameters perhaps) names `wanted`. Throws invalid_argument:
/// "malformed Content-Type header (…): …", "unsupported Content-Type header (text/plain): must be
/// 'application/json'".
void check_content_type(std::string_view header, std::string_view wanted);

}  // namespace berth::api
