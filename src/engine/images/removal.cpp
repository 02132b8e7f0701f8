// SPDX-License-Identifier: Apache-2.0
#include <set>
#include <utility>

#include "base/strings.h"
#include "engine/images/images.h"
#include "engine/images/state.h"
#include "engine/system/timestamp.h"

namespace berth::engine {

namespace {

namespace api = spec::api;

/// By what was asked on the control thread before: the store asks in a transaction.
std::function<std::optional<std::string>(const Digest&, bool&)> asker(std::map<std::string, ImageUse> users) {
    return [users = std::move(users)](const Digest& id, bool& running) -> std::optional<std::string> {
        auto found = users.find(id.text());
        if (found == users.end()) return std::nullopt;
        running = found->second.running;
        return found->second.container_id.substr(0, 12);
    };
}

std::vector<api::ImageDeleteItem> items_of(const std::vector<store::Removed>& removed) {
    std::vector<api::ImageDeleteItem> items;
    for (const store::Removed& one : removed)
        items.push_back({.Deleted = one.deleted, .Untagged = one.untagged});
    return items;
}

/// An event for each name and each image; not for layers.
struct RemovalEvents {
    std::map<std::string, std::string> ids;                            ///< by familiar name
    std::map<std::string, std::map<std::string, std::string>> labels;  ///< by id

    void add(Images::State& state, const store::Image& image) {
        std::string id = image.id.text();
        if (!labels.emplace(id, std::map<std::string, std::string>()).second) return;
        labels[id] = labels_of(state, id);
        for (const auto* names : {&image.tags, &image.digests})
            for (const spec::Reference& name : *names) ids[name.familiar()] = id;
    }
    void publish(Events& events, const std::vector<store::Removed>& removed) const {
        for (const store::Removed& one : removed) {
            bool is_untagged = !one.untagged.empty();
            auto name = ids.find(one.untagged);
            std::string id = is_untagged ? (name == ids.end() ? "" : name->second) : one.deleted;
            auto found = labels.find(id);
            if (found == labels.end()) continue;
            std::map<std::string, std::string> attributes = found->second;
            attributes["name"] = id;
            events.publish("image", is_untagged ? "untag" : "delete", id, std::move(attributes));
        }
    }
};

struct RemovalWork {
    std::vector<store::Removed> removed;
    RemovalEvents events;
    uint64_t reclaimed = 0;
};

struct PruneFlag {
    explicit PruneFlag(bool& of) : flag(of) {
        if (std::exchange(flag, true))
            throw Error(ErrorKind::conflict, "a prune operation is already running");
    }
    PruneFlag(const PruneFlag&) = delete;
    PruneFlag& operator=(const PruneFlag&) = delete;
    ~PruneFlag() { flag = false; }
    bool& flag;
};

}  // namespace

async::Task<std::vector<api::ImageDeleteItem>> Images::remove(std::string name, ImageRemoveOptions options) {
    std::shared_ptr<State> state = state_;
    store::RemoveOptions settings;
    settings.force = options.force;
    settings.prune_parents = options.prune_parents;
    settings.used_by = asker(state->options.users());
    std::function<RemovalWork()> work = [&] {
        RemovalWork done;
        for (std::optional<store::Image> image = state->store.get(name); image;
             image = image->parent ? state->store.find(*image->parent) : std::nullopt)
            done.events.add(*state, *image);
        done.removed = state->store.remove(name, settings);
        return done;
    };
    RemovalWork done = co_await run_in_bulk(state->streams, std::move(work));
    done.events.publish(state->events, done.removed);
    std::vector<api::ImageDeleteItem> items = items_of(done.removed);
    co_return items;
}

async::Task<api::ImagesPruneReport> Images::prune(api::Filters given) {
    std::shared_ptr<State> state = state_;
    given.validate({"dangling", "label", "label!", "until"});
    bool only_dangling = given.flag("dangling", true);
    store::ListFilters filters;
    for (const std::string& label : given.get("label")) filters.labels.push_back(label);
    for (const std::string& label : given.get("label!")) filters.not_labels.push_back(label);
    if (given.get("until").size() > 1)
        throw Error(ErrorKind::invalid_argument, "more than one until filter specified");
    for (const std::string& until : given.get("until")) filters.until_ns = parse_timestamp(until, now_ns());
    PruneFlag alone(state->is_pruning);
    store::RemoveOptions settings;
    settings.used_by = asker(state->options.users());
    std::function<RemovalWork()> work = [&] {
        RemovalWork done;
        store::ListFilters every;
        every.all = true;
        for (const store::Image& image : state->store.list(every)) done.events.add(*state, image);
        store::PruneResult result = state->store.prune(filters, only_dangling, settings);
        done.removed = std::move(result.removed);
        done.reclaimed = result.reclaimed_bytes;
        return done;
    };
    RemovalWork done = co_await run_in_bulk(state->streams, std::move(work));
    done.events.publish(state->events, done.removed);
    std::map<std::string, std::string> attributes;
    attributes["reclaimed"] = std::to_string(done.reclaimed);
    state->events.publish("image", "prune", "", std::move(attributes));
    api::ImagesPruneReport report;
    if (!done.removed.empty()) report.ImagesDeleted = items_of(done.removed);
    report.SpaceReclaimed = done.reclaimed;
    co_return report;
}

}  // namespace berth::engine
