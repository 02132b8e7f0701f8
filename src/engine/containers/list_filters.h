// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/containers/containers.h"
#include "engine/containers/record.h"

/// `docker ps --filter`.
namespace berth::engine {

/// What the filters say, checked. References to containers and images are looked up by others before.
struct ListCriteria {
    /// Throws invalid_argument "invalid filter 'x'…" for unknown names and malformed values.
    explicit ListCriteria(const ListOptions& options);

    spec::api::Filters filters;
    bool all = false;  ///< not only running ones
    std::vector<int> exit_codes;
    std::optional<bool> is_task;
    std::optional<int64_t> before_ns, since_ns;           ///< created earlier, later
    std::optional<std::set<std::string>> ancestors;       ///< image ids
    std::set<std::string> networks;                       ///< their names and what was asked for; empty: any
    std::vector<std::pair<int, int>> published, exposed;  ///< ranges of ports; the protocols below
    std::vector<std::string> published_protocols, exposed_protocols;

    bool matches(const ContainerRecord& record, const ContainerState& state) const;

  private:
    bool matches_ports(const ContainerRecord& record) const;
};

}  // namespace berth::engine
