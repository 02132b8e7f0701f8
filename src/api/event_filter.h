// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/system/events.h"
#include "spec/api/filters.h"
#include "spec/api/system_views.h"

namespace berth::api {

/// Whether an event passes the filters of GET /events: type, event, scope, label, image, and container,
/// volume, network, daemon, plugin by the id or name (or its beginning) of the actor of that type.
bool passes(const spec::api::Filters& filters, const engine::Event& event);

spec::api::EventMessage event_message(const engine::Event& event);

}  // namespace berth::api
