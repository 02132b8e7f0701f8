// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "store/image_rows.h"
#include "store/images.h"
#include "store/store_state.h"

namespace berth::store {

namespace {

Image load_known(db::Database& database, std::string_view text) {
    if (std::optional<Resolved> found = resolve_image(database, text))
        if (std::optional<Image> image = load_image(database, found->id)) return *image;
    throw no_such_image(text);
}

/// Keeps the names that match; false where none is left.
bool keep_matching_names(Image& image, const std::vector<std::string>& patterns) {
    auto keep = [&](std::vector<spec::Reference>& names) {
        std::erase_if(names, [&](const spec::Reference& name) { return !match_reference(name, patterns); });
    };
    keep(image.tags);
    keep(image.digests);
    return !image.tags.empty() || !image.digests.empty();
}

struct Bounds {
    std::optional<int64_t> before_ns, since_ns;
};

bool is_in(const Bounds& bounds, const ListFilters& filters, int64_t created_ns) {
    if (bounds.before_ns && created_ns >= *bounds.before_ns) return false;
    if (bounds.since_ns && created_ns <= *bounds.since_ns) return false;
    if (filters.until_ns && created_ns > *filters.until_ns) return false;
    return !filters.created_since_ns || created_ns >= *filters.created_since_ns;
}

/// By its names alone: an image without any is hidden where it is a step towards another; a digest is no tag.
bool is_shown(db::Database& database, Image& image, const ListFilters& filters) {
    if (!filters.references.empty() && !keep_matching_names(image, filters.references)) return false;
    if (!image.tags.empty()) return !filters.dangling.value_or(false);
    if (!image.digests.empty()) return true;
    if (filters.dangling == false) return false;
    return filters.all || !has_children(database, image.id);
}

}  // namespace

Image Store::get(std::string_view text) const {
    return state_->metadata.read([&](db::Database& database) { return load_known(database, text); });
}

std::optional<Image> Store::find(std::string_view text) const {
    return state_->metadata.read([&](db::Database& database) -> std::optional<Image> {
        std::optional<Resolved> found = resolve_image(database, text);
        if (!found) return std::nullopt;
        return load_image(database, found->id);
    });
}

std::optional<Image> Store::find(const Digest& id) const {
    return state_->metadata.read([&](db::Database& database) { return load_image(database, id); });
}

spec::ImageConfig Store::config(const Image& image) const {
    if (image.kind == ImageKind::artifact)
        throw make_error(ErrorKind::invalid_argument, "{} is an artifact, not an image that can be run",
                         image.id.text());
    return with_context([&] { return "image configuration " + image.id.text(); },
                        [&] { return spec::parse_image_config(state_->blobs.read(image.id)); });
}

std::vector<Image> Store::list(const ListFilters& filters) const {
    std::vector<Image> images = state_->metadata.read([&](db::Database& database) {
        Bounds bounds;
        if (filters.before) bounds.before_ns = load_known(database, *filters.before).created_ns;
        if (filters.since) bounds.since_ns = load_known(database, *filters.since).created_ns;
        std::vector<Image> result;
        for (const Digest& id : image_ids(database)) {
            std::optional<Image> image = load_image(database, id);
            if (image && is_in(bounds, filters, image->created_ns) && is_shown(database, *image, filters))
                result.push_back(std::move(*image));
        }
        return result;
    });
    if (filters.labels.empty() && filters.not_labels.empty()) return images;
    std::erase_if(images, [&](const Image& image) {
        std::map<std::string, std::string> labels;
        if (image.kind == ImageKind::image) labels = config(image).config.Labels;
        return !match_labels(labels, filters.labels) ||
               (!filters.not_labels.empty() && match_labels(labels, filters.not_labels));
    });
    return images;
}

/// As Docker's: the entries of the configuration, the last first, with the size of their layers. The top one
/// bears the image's id; those below do where the images that they were built on are still known.
std::vector<HistoryEntry> Store::history(const Image& image) const {
    spec::ImageConfig known = config(image);
    std::vector<HistoryEntry> entries;
    state_->metadata.read([&](db::Database& database) {
        size_t layer = 0;
        for (const spec::History& step : known.history) {
            HistoryEntry entry{.id = "<missing>",
                               .created_ns = parse_time(step.created),
                               .created_by = step.created_by,
                               .comment = step.comment};
            if (!step.empty_layer && layer < image.chain_ids.size()) {
                db::Statement size =
                    database.prepare("SELECT size FROM layers WHERE chain_id = ? AND state = 'ready'")
                        .with(image.chain_ids[layer++].text());
                if (size.step()) entry.size = static_cast<uint64_t>(size.integer(0));
            }
            entries.push_back(std::move(entry));
        }
        std::reverse(entries.begin(), entries.end());
        std::optional<Image> step = load_image(database, image.id);
        for (HistoryEntry& entry : entries) {
            if (!step) break;
            entry.id = step->id.text();
            for (const spec::Reference& name : step->tags) entry.tags.push_back(name.familiar());
            step = step->parent ? load_image(database, *step->parent) : std::nullopt;
        }
    });
    return entries;
}

}  // namespace berth::store
