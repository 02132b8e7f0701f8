// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "engine/networks/networks_state.h"
#include "engine/system/events.h"
#include "engine/system/timestamp.h"

namespace berth::engine {

using async::Task;

namespace {

std::optional<int64_t> until_of(const spec::api::Filters& filters) {
    if (!filters.contains("until")) return std::nullopt;
    if (filters.get("until").size() > 1)
        throw Error(ErrorKind::invalid_argument, "more than one until filter specified");
    return parse_timestamp(*filters.get("until").begin(), now_ns());
}

}  // namespace

/// Configurations stay: they are no networks.
Task<std::vector<std::string>> Networks::State::prune(Pointer self, spec::api::Filters filters) {
    filters.validate({"label", "label!", "until"});
    std::optional<int64_t> until_ns = until_of(filters);
    std::vector<std::string> names;
    for (const auto& [name, id] : self->ids) {
        const Entry& entry = self->entries.at(id);
        const NetworkRecord& record = *entry.record;
        bool is_wanted = !record.is_builtin && !record.is_config_only && !entry.is_used() &&
                         (!until_ns || record.created_ns <= *until_ns) &&
                         filters.labels("label", record.labels) && filters.no_labels("label!", record.labels);
        if (is_wanted) names.push_back(name);
    }
    std::vector<std::string> removed;
    for (const std::string& name : names) {
        std::string failure;
        try {
            std::string gone = co_await remove(self, name, true);
            if (!gone.empty()) removed.push_back(std::move(gone));
        } catch (const Error& error) {
            failure = error.what();
        }
        if (!failure.empty()) log::warning("pruning network {}: {}", name, failure);
    }
    self->with.events.publish("network", "prune", "", {{"reclaimed", "0"}});
    co_return removed;
}

}  // namespace berth::engine
