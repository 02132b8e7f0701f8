// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "spec/api/container_config.h"
#include "spec/api/container_views.h"

/// Versions of the Engine API, and what older clients send and expect in another way than the newest. Each
/// table has one row for the version that brought a change: what a client of an older version gets. Rows are
/// applied from the newest to the oldest.
namespace berth::api {

struct ApiVersion {
    int major = 0;
    int minor = 0;
    auto operator<=>(const ApiVersion&) const = default;
    std::string text() const;
    /// "1.44", "1": digits and dots. Nothing where it is malformed.
    static std::optional<ApiVersion> parse(std::string_view text);
};

inline constexpr ApiVersion kNewestVersion{1, 51};
inline constexpr ApiVersion kOldestVersion{1, 24};

/// Requests: takes away what the client's version did not have, and fills in what it took for granted. Throws
/// invalid_argument where ignoring would be dangerous ("… needs API v1.45 or newer").
void shape_create(spec::api::ContainerCreateRequest& request, ApiVersion version);
void shape_update(spec::api::UpdateRequest& request, ApiVersion version);
void shape_exec_create(spec::api::ExecCreateRequest& request, ApiVersion version);

/// Answers.
void shape_inspect(spec::api::ContainerInspect& container, ApiVersion version);
void shape_summary(spec::api::ContainerSummary& container, ApiVersion version);

}  // namespace berth::api
