// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/strings.h"
#include "engine/containers/list_filters.h"
#include "engine/containers/status_text.h"
#include "engine/containers/views.h"

namespace berth::engine {
namespace {

/// As people typed it, with quotes around what has blanks.
std::string command_text(const ContainerRecord& record) {
    std::string text = record.path;
    for (const std::string& word : record.args)
        text += word.find(' ') == std::string::npos ? " " + word : " '" + word + "'";
    return text;
}

/// Those images, and what was built on them.
std::set<std::string> with_descendants(const store::Store& store,
                                       const std::set<std::string, std::less<>>& references) {
    std::set<std::string> ids;
    for (const std::string& reference : references) {
        std::optional<store::Image> image;
        try {
            image = store.find(reference);
        } catch (const Error&) {
            // Ambiguous, or no name at all: no image.
        }
        if (image) ids.insert(image->id.text());
    }
    if (ids.empty()) return ids;
    std::vector<store::Image> all = store.list({.all = true});
    for (bool grows = true; std::exchange(grows, false);)
        for (const store::Image& image : all)
            if (image.parent && ids.contains(image.parent->text()))
                grows = ids.insert(image.id.text()).second || grows;
    return ids;
}

/// What the store has to say for a list. Blocking.
struct StoredFacts {
    std::map<std::string, std::string> image_ids;  ///< what names of images mean now
    std::optional<std::set<std::string>> ancestors;
};

struct StoreQuestions {
    store::Store* store;
    std::set<std::string> image_names;
    std::set<std::string, std::less<>> ancestors;
};

StoredFacts ask_store(const StoreQuestions& questions) {
    StoredFacts facts;
    for (const std::string& name : questions.image_names) {
        try {
            if (auto image = questions.store->find(name)) facts.image_ids[name] = image->id.text();
        } catch (const Error&) {
            // Ambiguous: no image of this name.
        }
    }
    if (!questions.ancestors.empty())
        facts.ancestors = with_descendants(*questions.store, questions.ancestors);
    return facts;
}

/// Writable layer, and with its image. Blocking.
std::pair<int64_t, int64_t> measure(store::Store& store, const std::string& id, const std::string& image_id) {
    if (!store.snapshots().find(id)) return {0, 0};
    auto writable = static_cast<int64_t>(store.snapshots().content_size(id));
    std::optional<Digest> digest = Digest::try_parse(image_id);
    std::optional<store::Image> image = digest ? store.find(*digest) : std::nullopt;
    return {writable, writable + static_cast<int64_t>(image ? image->size : 0)};
}

/// By the container's ports; of one IPv4 first.
std::vector<spec::api::Port> show_ports(const spec::api::PortMap& ports) {
    std::vector<spec::api::Port> shown;
    for (const auto& [text, bindings] : ports) {
        size_t slash = text.find('/');
        spec::api::Port port;
        port.PrivatePort = parse_number<uint16_t>(std::string_view(text).substr(0, slash)).value_or(0);
        port.Type = text.substr(slash + 1);
        if (spec::api::items(bindings).empty()) shown.push_back(port);
        for (const spec::api::PortBinding& binding : spec::api::items(bindings)) {
            port.IP = binding.HostIp;
            port.PublicPort = parse_number<uint16_t>(binding.HostPort).value_or(0);
            shown.push_back(port);
        }
    }
    std::ranges::sort(shown, {}, [](const spec::api::Port& port) {
        bool is_v6 = port.IP.find(':') != std::string::npos;
        return std::tuple(port.PrivatePort, port.Type, is_v6, port.IP, port.PublicPort);
    });
    return shown;
}

spec::api::ContainerSummary summarize(const Roster& roster, const ManagedContainer& container,
                                      const StoredFacts& facts, int64_t now) {
    const ContainerRecord& record = container.record();
    spec::api::ContainerSummary shown;
    shown.Id = record.id;
    shown.Names = {"/" + record.name};
    auto meant = facts.image_ids.find(record.image);
    bool is_current = meant != facts.image_ids.end() && meant->second == record.image_id;
    shown.Image = is_current || record.image_id.empty() ? record.image : record.image_id;
    shown.ImageID = record.image_id;
    shown.Command = command_text(record);
    shown.Created = record.created_ns / 1'000'000'000;
    shown.Labels = spec::api::items(record.config.Labels);
    shown.State = to_string(container.state().status);
    shown.Status = status_text(container.state(), now);
    shown.HostConfig.NetworkMode = record.host_config.NetworkMode;
    shown.HostConfig.Annotations = record.host_config.Annotations;
    spec::api::NetworkSettings network = shown_network_settings(roster, container);
    shown.Ports = show_ports(spec::api::items(network.Ports));
    shown.NetworkSettings_.Networks = std::move(network.Networks);
    for (const MountPoint& mount : record.mounts) shown.Mounts.push_back(show_mount(mount));
    return shown;
}

std::vector<ContainerPointer> select(const Roster& roster, const ListCriteria& criteria, int limit) {
    std::vector<ContainerPointer> selected;
    for (ContainerPointer& container : roster.containers.all())
        if (criteria.matches(container->record(), container->state()))
            selected.push_back(std::move(container));
    std::ranges::sort(selected, std::greater{}, [](const ContainerPointer& container) {
        return std::pair(container->record().created_ns, container->id());
    });
    if (limit > 0 && selected.size() > static_cast<size_t>(limit))
        selected.resize(static_cast<size_t>(limit));
    return selected;
}

void resolve_containers(const Roster& roster, ListCriteria& criteria) {
    for (const std::string& reference : criteria.filters.get("before"))
        criteria.before_ns = roster.get(reference)->record().created_ns;
    for (const std::string& reference : criteria.filters.get("since"))
        criteria.since_ns = roster.get(reference)->record().created_ns;
    for (const std::string& reference : criteria.filters.get("network"))
        if (auto network = roster.services.networks.find(reference)) criteria.networks.insert(network->name);
}

}  // namespace

async::Task<std::vector<spec::api::ContainerSummary>> list_containers(RosterPointer roster,
                                                                      ListOptions options) {
    ListCriteria criteria(options);
    resolve_containers(*roster, criteria);
    StoreQuestions questions{.store = &roster->services.images.store(),
                             .ancestors = criteria.filters.get("ancestor")};
    for (const ContainerPointer& container : roster->containers.all())
        questions.image_names.insert(container->record().image);
    auto ask = [&questions] { return ask_store(questions); };
    StoredFacts facts = co_await async::run_blocking(std::move(ask));
    criteria.ancestors = facts.ancestors;

    std::vector<ContainerPointer> selected = select(*roster, criteria, options.limit);
    std::vector<spec::api::ContainerSummary> shown;
    shown.reserve(selected.size());
    int64_t now = now_ns();
    for (const ContainerPointer& container : selected)
        shown.push_back(summarize(*roster, *container, facts, now));
    if (!options.size) co_return shown;
    for (spec::api::ContainerSummary& summary : shown) {
        auto work = [store = questions.store, id = summary.Id, image = summary.ImageID] {
            return measure(*store, id, image);
        };
        std::pair<int64_t, int64_t> sizes = co_await async::run_blocking(std::move(work));
        if (sizes.first > 0) summary.SizeRw = sizes.first;
        summary.SizeRootFs = sizes.second;
    }
    co_return shown;
}

}  // namespace berth::engine
