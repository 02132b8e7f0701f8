// SPDX-License-Identifier: Apache-2.0
#include "api/event_filter.h"

#include <algorithm>
#include <array>

namespace berth::api {

namespace {

using spec::api::Filters;

/// "busybox" of "busybox:1.36"; a registry's port is no tag.
std::string without_tag(const std::string& name) {
    size_t at = name.find('@');
    std::string bare = name.substr(0, at);
    size_t colon = bare.rfind(':');
    if (colon == std::string::npos || bare.find('/', colon) != std::string::npos) return bare;
    return bare.substr(0, colon);
}

std::string attribute(const engine::Event& event, const std::string& key) {
    auto found = event.attributes.find(key);
    return found == event.attributes.end() ? std::string() : found->second;
}

/// These actions go on after a colon ("exec_start: ls"), which a filter may leave out.
bool passes_action(const Filters& filters, const engine::Event& event) {
    constexpr std::array<std::string_view, 3> kWithMore = {"health_status", "exec_create", "exec_start"};
    bool by_beginning = std::any_of(kWithMore.begin(), kWithMore.end(),
                                    [&](std::string_view action) { return filters.has("event", action); });
    return by_beginning ? filters.prefix("event", event.action) : filters.exact("event", event.action);
}

bool passes_actor(const Filters& filters, const engine::Event& event, std::string_view type) {
    if (!filters.contains(type)) return true;
    if (event.type != type) return false;
    return filters.prefix(type, event.id) || filters.prefix(type, attribute(event, "name"));
}

bool passes_image(const Filters& filters, const engine::Event& event) {
    if (!filters.contains("image")) return true;
    std::string name = attribute(event, event.type == "image" ? "name" : "image");
    return filters.exact("image", event.id) || filters.exact("image", name) ||
           filters.exact("image", without_tag(event.id)) || filters.exact("image", without_tag(name));
}

}  // namespace

bool passes(const Filters& filters, const engine::Event& event) {
    if (filters.empty()) return true;
    if (!filters.exact("type", event.type) || !filters.exact("scope", "local")) return false;
    if (!passes_action(filters, event) || !passes_image(filters, event)) return false;
    for (std::string_view type :
         {"container", "volume", "network", "daemon", "plugin", "node", "service", "secret", "config"})
        if (!passes_actor(filters, event, type)) return false;
    return filters.labels("label", event.attributes);
}

spec::api::EventMessage event_message(const engine::Event& event) {
    spec::api::EventMessage message;
    message.Type = event.type;
    message.Action = event.action;
    message.Actor.ID = event.id;
    message.Actor.Attributes = event.attributes;
    message.time = event.time_ns / 1'000'000'000;
    message.timeNano = event.time_ns;
    if (event.type == "container" || event.type == "image") {
        message.status = event.action;
        message.id = event.id;
    }
    if (event.type == "container") message.from = attribute(event, "image");
    return message;
}

}  // namespace berth::api
