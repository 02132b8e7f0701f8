// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "http/message.h"

namespace berth::registry {

/// The target of the Link field with rel="next" (RFC 8288), as it stands there; nothing without one.
std::optional<std::string> next_link(const http::Headers& headers);

}  // namespace berth::registry
