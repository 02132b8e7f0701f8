// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <set>

#include "store/image_rows.h"
#include "store/images.h"
#include "store/store_state.h"
#include "store/tree.h"
#include "sys/file.h"

namespace berth::store {

namespace {

/// Things on disk that an image holds, by digest or chain id, with their bytes.
using Held = std::map<Digest, uint64_t>;

/// What one look at the database says.
struct Inventory {
    struct OfImage {
        Digest id;
        std::vector<Digest> blobs, chain_ids;
    };
    std::vector<OfImage> images;
    std::set<Digest> layers;         ///< ready ones
    std::set<Digest> used_layers;    ///< of snapshots, with all below
    std::set<Digest> snapshot_tops;  ///< parents of snapshots
};

std::vector<Digest> digests(db::Database& database, std::string_view sql, const std::string& key) {
    std::vector<Digest> result;
    db::Statement rows = database.prepare(sql).with(key);
    while (rows.step()) result.push_back(Digest::parse(rows.text(0)));
    return result;
}

std::set<Digest> all_digests(db::Database& database, std::string_view sql) {
    std::set<Digest> result;
    db::Statement rows = database.prepare(sql);
    while (rows.step()) result.insert(Digest::parse(rows.text(0)));
    return result;
}

Inventory take_inventory(db::Database& database) {
    Inventory inventory;
    for (const Digest& id : image_ids(database))
        inventory.images.push_back(
            {.id = id,
             .blobs = digests(database, "SELECT digest FROM image_blobs WHERE image = ?", id.text()),
             .chain_ids =
                 digests(database,
                         "SELECT chain_id FROM image_layers WHERE image = ? AND chain_id IS NOT NULL "
                         "ORDER BY position",
                         id.text())});
    inventory.layers = all_digests(database, "SELECT chain_id FROM layers WHERE state = 'ready'");
    inventory.snapshot_tops = all_digests(
        database, "SELECT DISTINCT parent FROM snapshots WHERE state = 'active' AND parent IS NOT NULL");
    inventory.used_layers = all_digests(database, R"sql(
        WITH RECURSIVE used(chain_id) AS (
            SELECT parent FROM snapshots WHERE state = 'active' AND parent IS NOT NULL
            UNION
            SELECT layers.parent FROM used JOIN layers USING (chain_id) WHERE layers.parent IS NOT NULL
        ) SELECT chain_id FROM used)sql");
    return inventory;
}

Held blobs_on_disk(int root) {
    Held held;
    for (std::string_view algorithm : {"sha256", "sha512"}) {
        auto dir = sys::try_open_at(root, fmt::format("blobs/{}", algorithm), O_RDONLY | O_DIRECTORY);
        if (!dir) continue;
        for (const std::string& name : sys::list_dir(dir->get())) {
            std::optional<Digest> digest = Digest::try_parse(fmt::format("{}:{}", algorithm, name));
            if (digest) held[*digest] = disk_usage(dir->get(), name);
        }
    }
    return held;
}

/// Everything of `from` that is on disk: by digest, with bytes; blobs and layers have different digests, or
/// else the same content twice.
Held pick(const Held& from, const std::vector<Digest>& digests) {
    Held held;
    for (const Digest& digest : digests)
        if (auto found = from.find(digest); found != from.end()) held.insert(*found);
    return held;
}

/// Adds what an image holds of one sort.
void account(Usage::PerImage& usage, const Held& held, const std::map<Digest, int>& holders) {
    for (const auto& [digest, bytes] : held) {
        usage.size += bytes;
        (holders.at(digest) > 1 ? usage.shared : usage.unique) += bytes;
    }
}

std::map<Digest, int> count_holders(const Inventory& inventory,
                                    std::vector<Digest> Inventory::OfImage::* what) {
    std::map<Digest, int> holders;
    for (const Inventory::OfImage& image : inventory.images) {
        std::set<Digest> once((image.*what).begin(), (image.*what).end());
        for (const Digest& digest : once) ++holders[digest];
    }
    return holders;
}

uint64_t reclaimable(const Inventory& inventory, const Held& blobs, const Held& layers) {
    std::set<Digest> used_blobs;
    for (const Inventory::OfImage& image : inventory.images)
        if (!image.chain_ids.empty() && inventory.snapshot_tops.contains(image.chain_ids.back()))
            used_blobs.insert(image.blobs.begin(), image.blobs.end());
    uint64_t bytes = 0;
    for (const auto& [digest, size] : blobs)
        if (!used_blobs.contains(digest)) bytes += size;
    for (const auto& [digest, size] : layers)
        if (!inventory.used_layers.contains(digest)) bytes += size;
    return bytes;
}

}  // namespace

Usage Store::usage() const {
    Inventory inventory = state_->metadata.read(take_inventory);
    UniqueFd root = sys::open_file(state_->root, O_RDONLY | O_DIRECTORY);
    Held blobs = blobs_on_disk(root.get()), layers;
    for (const Digest& chain_id : inventory.layers) {
        try {
            layers[chain_id] = state_->snapshots.layer_usage(chain_id);
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::unavailable) throw;  // removed meanwhile
        }
    }
    Usage usage;
    auto blob_holders = count_holders(inventory, &Inventory::OfImage::blobs);
    auto layer_holders = count_holders(inventory, &Inventory::OfImage::chain_ids);
    for (const Inventory::OfImage& image : inventory.images) {
        Usage::PerImage one{.id = image.id};
        account(one, pick(blobs, image.blobs), blob_holders);
        account(one, pick(layers, image.chain_ids), layer_holders);
        usage.images.push_back(one);
    }
    usage.reclaimable = reclaimable(inventory, blobs, layers);
    if (auto ingests = sys::try_open_at(root.get(), "ingest", O_RDONLY | O_DIRECTORY))
        for (const std::string& name : sys::list_dir(ingests->get()))
            usage.reclaimable += disk_usage(ingests->get(), name);
    usage.blobs = disk_usage(root.get(), "blobs");
    usage.layers = disk_usage(root.get(), "l");
    usage.snapshots = disk_usage(root.get(), "s");
    struct stat status{};
    sys::check(::fstat(root.get(), &status), "fstat " + state_->root);
    usage.other = static_cast<uint64_t>(status.st_blocks) * 512;
    for (const std::string& name : sys::list_dir(root.get()))
        if (name != "blobs" && name != "l" && name != "s") usage.other += disk_usage(root.get(), name);
    usage.total = usage.blobs + usage.layers + usage.snapshots + usage.other;
    return usage;
}

}  // namespace berth::store
