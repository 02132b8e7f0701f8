// SPDX-License-Identifier: Apache-2.0
#include "engine/images/images.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "engine/images/state.h"
#include "engine/images/views.h"
#include "engine/system/timestamp.h"
#include "store/derive.h"

namespace berth::engine {

namespace {

namespace api = spec::api;

std::optional<std::string> only_value(const api::Filters& filters, std::string_view name) {
    const auto& values = filters.get(name);
    if (values.empty()) return std::nullopt;
    return *values.begin();
}

std::vector<std::string> values_of(const api::Filters& filters, std::string_view name) {
    const auto& values = filters.get(name);
    return {values.begin(), values.end()};
}

store::ListFilters list_filters(const ImageListOptions& options) {
    const api::Filters& given = options.filters;
    given.validate({"dangling", "label", "label!", "before", "since", "reference", "until"});
    store::ListFilters filters;
    filters.all = options.all;
    filters.references = values_of(given, "reference");
    filters.labels = values_of(given, "label");
    filters.not_labels = values_of(given, "label!");
    filters.before = only_value(given, "before");
    filters.since = only_value(given, "since");
    if (given.contains("dangling")) filters.dangling = given.flag("dangling", false);
    if (auto until = only_value(given, "until")) filters.until_ns = parse_timestamp(*until, now_ns());
    return filters;
}

}  // namespace

Images::Images(async::Context& control, async::Context& streams, store::Store& store, Events& events,
               Options options)
    : state_(std::make_shared<State>(control, streams, store, events, std::move(options))) {}

Images::~Images() {
    // The client's connections are of the other thread.
    if (state_->client) state_->streams.post([client = std::move(state_->client)] {});
    if (state_->sync_thread.joinable()) state_->sync_thread.join();
}

std::shared_ptr<registry::Client> Images::State::registry_client() {
    std::lock_guard lock(client_mutex);
    if (!client) client = std::make_shared<registry::Client>(streams, options.registry);
    return client;
}

void Images::State::publish(std::string action, std::string id,
                            std::map<std::string, std::string> attributes) {
    control.post(
        [self = shared_from_this(), action = std::move(action), id = std::move(id),
         attributes = std::move(attributes)] { self->events.publish("image", action, id, attributes); });
}

void Images::reconfigure(registry::ClientConfig config) {
    std::lock_guard lock(state_->client_mutex);
    state_->options.registry = std::move(config);
    if (state_->client) state_->streams.post([client = std::move(state_->client)] {});
    state_->client.reset();
}

store::Store& Images::store() {
    return state_->store;
}

void Images::State::sync_soon() {
    std::lock_guard lock(sync_mutex);
    sync_wanted = true;
    if (std::exchange(is_syncing, true)) return;
    if (sync_thread.joinable()) sync_thread.join();
    sync_thread = std::thread([this] { sync_all(); });
}

void Images::State::sync_all() noexcept {
    while (true) {
        {
            std::lock_guard lock(sync_mutex);
            if (!std::exchange(sync_wanted, false)) {
                is_syncing = false;
                return;
            }
        }
        try {
            store.snapshots().sync();
        } catch (...) {
            log::warning("syncing layers: {}", current_exception_message());
        }
    }
}

std::map<std::string, std::string> labels_of(Images::State& state, const std::string& name) {
    try {
        if (std::optional<store::Image> image = state.store.find(name))
            return state.documents.of(*image)->labels;
    } catch (const Error& error) {
        log::debug("labels of image {}: {}", name, error.what());
    }
    return {};
}

async::Task<std::shared_ptr<const ImageFacts>> Images::resolve(std::string text,
                                                               std::optional<spec::Platform> platform) {
    std::shared_ptr<State> state = state_;
    std::function<std::shared_ptr<const ImageFacts>()> work = [&] {
        store::Image image = state->store.get(text);
        check_platform(image, text, platform);
        return state->documents.facts(std::move(image));
    };
    std::shared_ptr<const ImageFacts> facts = co_await async::run_blocking(std::move(work));
    co_return facts;
}

async::Task<std::vector<api::ImageSummary>> Images::list(ImageListOptions options) {
    std::shared_ptr<State> state = state_;
    store::ListFilters filters = list_filters(options);
    SummaryOptions wanted{.shared_size = options.shared_size,
                          .manifests = options.manifests,
                          .containers = options.containers,
                          .users = {}};
    if (options.containers || options.manifests) wanted.users = state->options.users();
    std::function<std::vector<api::ImageSummary>()> work = [&] {
        return summarize(state->store, state->documents, state->store.list(filters), wanted);
    };
    std::vector<api::ImageSummary> images = co_await async::run_blocking(std::move(work));
    co_return images;
}

async::Task<ImageDetails> Images::inspect(std::string name, bool manifests,
                                          std::optional<spec::Platform> platform) {
    std::shared_ptr<State> state = state_;
    std::map<std::string, ImageUse> users;
    if (manifests) users = state->options.users();
    std::function<ImageDetails()> work = [&] {
        store::Image image = state->store.get(name);
        check_platform(image, name, platform);
        ImageDetails details = describe(state->store, state->documents, image, state->options.driver);
        if (manifests) details.image.Manifests = manifests_of(state->store, state->documents, image, users);
        return details;
    };
    ImageDetails details = co_await async::run_blocking(std::move(work));
    co_return details;
}

async::Task<std::vector<api::HistoryItem>> Images::history(std::string name,
                                                           std::optional<spec::Platform> platform) {
    std::shared_ptr<State> state = state_;
    std::function<std::vector<api::HistoryItem>()> work = [&] {
        store::Image image = state->store.get(name);
        check_platform(image, name, platform);
        std::vector<api::HistoryItem> items;
        for (store::HistoryEntry& entry : state->store.history(image)) {
            api::HistoryItem item;
            item.Id = std::move(entry.id);
            item.Created = entry.created_ns / 1'000'000'000;
            item.CreatedBy = std::move(entry.created_by);
            item.Comment = std::move(entry.comment);
            item.Size = static_cast<int64_t>(entry.size);
            if (!entry.tags.empty()) item.Tags = std::move(entry.tags);
            items.push_back(std::move(item));
        }
        return items;
    };
    std::vector<api::HistoryItem> items = co_await async::run_blocking(std::move(work));
    co_return items;
}

async::Task<void> Images::tag(std::string name, spec::Reference target) {
    std::shared_ptr<State> state = state_;
    std::string shown = target.familiar();
    struct Tagged {
        std::string id;
        std::map<std::string, std::string> attributes;
    };
    std::function<Tagged()> work = [&] {
        store::Image image = state->store.get(name);
        state->store.tag(image, target);
        return Tagged{image.id.text(), state->documents.of(image)->labels};
    };
    Tagged tagged = co_await async::run_blocking(std::move(work));
    tagged.attributes["name"] = shown;
    state->events.publish("image", "tag", std::move(tagged.id), std::move(tagged.attributes));
}

async::Task<store::Usage> Images::usage() {
    std::shared_ptr<State> state = state_;
    std::function<store::Usage()> work = [&] { return state->store.usage(); };
    store::Usage usage = co_await run_in_bulk(state->streams, std::move(work));
    co_return usage;
}

async::Task<int64_t> Images::count() {
    std::shared_ptr<State> state = state_;
    std::function<int64_t()> work = [&] {
        store::ListFilters every;
        every.all = true;
        return static_cast<int64_t>(state->store.list(every).size());
    };
    int64_t count = co_await async::run_blocking(std::move(work));
    co_return count;
}

}  // namespace berth::engine
