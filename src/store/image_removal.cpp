// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iterator>
#include <set>

#include "store/image_rows.h"
#include "store/images.h"
#include "store/store_state.h"

namespace berth::store {

namespace {

/// What an interrupted pull left is for the next one, for a while.
constexpr auto kIngestAge = std::chrono::hours(24 * 7);

/// Docker's word for names that stand for one: all in one repository, at most one of them a tag. False for
/// none.
bool is_single_reference(const std::vector<spec::Reference>& names) {
    if (names.size() <= 1) return names.size() == 1;
    std::set<std::string> digest_repositories;
    const spec::Reference* tag = nullptr;
    for (const spec::Reference& name : names) {
        if (name.digest())
            digest_repositories.insert(name.name());
        else if (tag == nullptr)
            tag = &name;
        else
            return false;
    }
    const spec::Reference& single = tag != nullptr ? *tag : names.front();
    return digest_repositories.size() == 1 && digest_repositories.contains(single.name());
}

/// Why an image can't be deleted. Hard: not even with force.
struct Conflict {
    bool is_hard = false, is_used = false;
    std::string message;
};

struct Checks {
    bool names = true;
    bool stopped_containers = true;
};

class Removal {
  public:
    Removal(db::Database& database, const RemoveOptions& options) : database_(database), options_(options) {}

    void remove(std::string_view text);
    std::vector<Removed> take_records() { return std::move(records_); }

  private:
    std::optional<std::string> user_of(const Digest& id, bool& running) const {
        running = false;
        return options_.used_by ? options_.used_by(id, running) : std::nullopt;
    }
    std::optional<Conflict> conflict(const Digest& id, const Checks& checks) const;
    void untag(const spec::Reference& name) {
        delete_name(database_, name);
        records_.push_back({.untagged = name.familiar(), .deleted = {}});
    }
    bool remove_name(const spec::Reference& name, const Digest& id, std::string_view text);
    void delete_image(const Digest& id, bool force, bool quiet);
    void delete_rows(const Digest& id);

    db::Database& database_;
    const RemoveOptions& options_;
    std::vector<Removed> records_;
};

std::string conflict_text(const Digest& id, const Conflict& conflict) {
    return fmt::format("conflict: unable to delete {} ({}) - {}", id.short_hex(),
                       conflict.is_hard ? "cannot be forced" : "must be forced", conflict.message);
}

std::optional<Conflict> Removal::conflict(const Digest& id, const Checks& checks) const {
    if (has_children(database_, id))
        return Conflict{.is_hard = true, .message = "image has dependent child images"};
    bool running = false;
    std::optional<std::string> user = user_of(id, running);
    if (user && running)
        return Conflict{
            .is_hard = true, .is_used = true, .message = "image is being used by running container " + *user};
    if (checks.names && !names_of(database_, id).empty())
        return Conflict{.message = "image is referenced in multiple repositories"};
    if (checks.stopped_containers && user)
        return Conflict{.is_used = true, .message = "image is being used by stopped container " + *user};
    return std::nullopt;
}

void Removal::remove(std::string_view text) {
    std::optional<Resolved> found = resolve_image(database_, text);
    if (!found) throw no_such_image(text);
    if (found->name) {
        if (remove_name(*found->name, found->id, text)) return;
        return delete_image(found->id, options_.force, true);
    }
    // By an id, the names go with the image where they stand for one.
    std::vector<spec::Reference> names = names_of(database_, found->id);
    if (is_single_reference(names)) {
        Checks checks{.names = false, .stopped_containers = !options_.force};
        if (auto reason = conflict(found->id, checks))
            throw Error(ErrorKind::conflict, conflict_text(found->id, *reason));
        for (const spec::Reference& name : names) untag(name);
    }
    delete_image(found->id, options_.force, false);
}

/// Whether the image stays, since it has other names.
bool Removal::remove_name(const spec::Reference& name, const Digest& id, std::string_view text) {
    bool running = false;
    if (!options_.force && is_single_reference(names_of(database_, id)))
        if (std::optional<std::string> user = user_of(id, running))
            throw make_error(
                ErrorKind::conflict,
                "conflict: unable to remove repository reference \"{}\" (must force) - container {} is "
                "using its referenced image {}",
                text, *user, id.short_hex());
    untag(name);
    std::vector<spec::Reference> left = names_of(database_, id);
    bool has_tag = std::any_of(left.begin(), left.end(), [&](const spec::Reference& other) {
        return !other.digest() && other.name() == name.name();
    });
    // With the last tag of a repository its digests go too.
    if (!name.digest() && !has_tag)
        std::erase_if(left, [&](const spec::Reference& other) {
            bool goes = other.digest() && other.name() == name.name();
            if (goes) untag(other);
            return goes;
        });
    return !left.empty();
}

/// `quiet`: the name that was asked for is gone; a conflict is told only where an image is left that nothing
/// names or uses.
void Removal::delete_image(const Digest& id, bool force, bool quiet) {
    if (auto reason = conflict(id, {.names = !force, .stopped_containers = !force})) {
        bool is_dangling = names_of(database_, id).empty() && !has_children(database_, id);
        if (quiet && (!is_dangling || reason->is_used)) return;
        throw Error(ErrorKind::conflict, conflict_text(id, *reason));
    }
    std::optional<Image> image = load_image(database_, id);
    for (const spec::Reference& name : names_of(database_, id)) untag(name);
    delete_rows(id);
    if (options_.prune_parents && image && image->parent && load_image(database_, *image->parent))
        delete_image(*image->parent, false, true);
}

void Removal::delete_rows(const Digest& id) {
    std::optional<Image> image = load_image(database_, id);
    database_.run("DELETE FROM images WHERE id = ?", id.text());
    records_.push_back({.untagged = {}, .deleted = id.text()});
    std::vector<Digest> released = OverlaySnapshots::release_unheld(database_);
    for (auto chain = image->chain_ids.rbegin(); chain != image->chain_ids.rend(); ++chain)
        if (std::find(released.begin(), released.end(), *chain) != released.end())
            records_.push_back({.untagged = {}, .deleted = chain->text()});
}

/// What is known of a blob that no image has any more and that isn't here.
void forget_blobs(db::Database& database) {
    database.execute(
        "DELETE FROM layer_blobs WHERE diff_id NOT IN (SELECT diff_id FROM image_layers) AND "
        "blob NOT IN (SELECT digest FROM blobs);"
        "DELETE FROM blob_sources WHERE blob NOT IN (SELECT digest FROM blobs) AND "
        "blob NOT IN (SELECT digest FROM image_blobs) AND blob NOT IN (SELECT blob FROM layer_blobs);");
}

bool is_tag(const spec::Reference& name) {
    return !name.digest();
}

/// What `prune` removes of one image, as it is now: since it was listed it may have got a name.
std::vector<Removed> prune_image(db::Database& database, const Digest& id, bool only_dangling,
                                 const RemoveOptions& options) {
    std::vector<spec::Reference> names = names_of(database, id);
    bool has_tag = std::any_of(names.begin(), names.end(), is_tag);
    if (only_dangling && (has_tag || has_children(database, id))) return {};
    std::vector<std::string> targets;
    for (const spec::Reference& name : names) targets.push_back(name.text());
    if (targets.empty()) targets.push_back(id.text());
    std::vector<Removed> removed;
    for (const std::string& target : targets) {
        try {
            db::Transaction part(database);
            Removal removal(database, options);
            removal.remove(target);
            part.commit();
            std::ranges::move(removal.take_records(), std::back_inserter(removed));
        } catch (const Error& error) {
            // In use, a step towards another image, or gone with the one before.
            if (error.kind() != ErrorKind::conflict && error.kind() != ErrorKind::not_found) throw;
        }
    }
    return removed;
}

}  // namespace

std::vector<Removed> Store::remove(std::string_view text, const RemoveOptions& options) {
    std::vector<Removed> removed = with_reserve(state_->reserve, [&] {
        return state_->metadata.write([&](db::Database& database) {
            Removal removal(database, options);
            removal.remove(text);
            return removal.take_records();
        });
    });
    bool is_deleted =
        std::any_of(removed.begin(), removed.end(), [](const Removed& one) { return !one.deleted.empty(); });
    if (is_deleted) collect(kIngestAge);
    return removed;
}

PruneResult Store::prune(const ListFilters& filters, bool only_dangling, const RemoveOptions& options) {
    ListFilters every = filters;
    every.all = true;
    every.dangling.reset();
    PruneResult result;
    for (const Image& image : list(every)) {
        std::vector<Removed> removed = with_reserve(state_->reserve, [&] {
            return state_->metadata.write([&](db::Database& database) {
                return prune_image(database, image.id, only_dangling, options);
            });
        });
        std::ranges::move(removed, std::back_inserter(result.removed));
    }
    result.reclaimed_bytes = collect(kIngestAge);
    return result;
}

uint64_t Store::collect(std::chrono::seconds ingest_age) {
    uint64_t bytes = 0;
    with_reserve(state_->reserve, [&] {
        bytes += state_->blobs.collect(ingest_age).bytes;
        bytes += state_->snapshots.collect();
        state_->metadata.write_relaxed(forget_blobs);
    });
    return bytes;
}

}  // namespace berth::store
