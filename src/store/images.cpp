// SPDX-License-Identifier: Apache-2.0
#include "store/images.h"

#include <sys/statvfs.h>

#include <cstdlib>
#include <memory>

#include "base/log.h"
#include "base/strings.h"
#include "store/image_rows.h"
#include "store/mount_options.h"
#include "store/schema.h"
#include "store/space.h"
#include "store/store_state.h"
#include "sys/file.h"

namespace berth::store {

namespace {

/// The folder, made where absent, by its real path: mount options and mountinfo name it so.
std::string real_root(const Store::Options& options) {
    if (options.driver != "overlay")
        throw make_error(ErrorKind::invalid_argument, "unknown storage driver {}; there is \"overlay\"",
                         quote(options.driver));
    if (options.root.empty()) throw Error(ErrorKind::invalid_argument, "the store needs a folder");
    sys::make_dirs(options.root, 0711);
    std::unique_ptr<char, void (*)(void*)> path(::realpath(options.root.c_str(), nullptr), ::free);
    if (!path) throw errno_error(errno, "realpath " + options.root);
    std::string root = path.get();
    if (!is_mountable_path(root))
        throw make_error(ErrorKind::invalid_argument,
                         "the store's folder {} has a character in its path that mount options can't hold "
                         "(one of , : \" \\): move it or choose another",
                         quote(root));
    return root;
}

/// Opening the database takes some blocks. Where the disk is full, what was to be resumed goes first, which
/// needs no database to be removed.
std::string with_room(std::string root) {
    constexpr uint64_t kEnough = 512u << 10;
    struct statvfs status{};
    if (::statvfs(root.c_str(), &status) == 0 && status.f_bavail * status.f_frsize < kEnough)
        remove_ingests(root);
    return root;
}

void require_blob(db::Database& database, const Digest& digest, std::string_view what) {
    if (!database.prepare("SELECT 1 FROM blobs WHERE digest = ?").with(digest.text()).step())
        throw make_error(ErrorKind::unavailable, "{} {} is not in the store", what, digest.text());
}

bool is_ready(db::Database& database, const Digest& chain_id) {
    return database.prepare("SELECT 1 FROM layers WHERE chain_id = ? AND state = 'ready'")
        .with(chain_id.text())
        .step();
}

void insert_blob(db::Database& database, const Digest& image, const Digest& blob, std::string_view role) {
    database.run("INSERT OR IGNORE INTO image_blobs(digest, image, role) VALUES (?, ?, ?)", blob.text(),
                 image.text(), role);
}

void insert_layer_blob(db::Database& database, const LayerBlob& layer) {
    if (layer.diff_id.empty() || layer.blob.digest.empty()) return;
    database.run(
        "INSERT INTO layer_blobs(diff_id, blob, media_type, size) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
        "SET "
        "media_type = excluded.media_type, size = excluded.size",
        layer.diff_id.text(), layer.blob.digest.text(), layer.blob.mediaType, layer.blob.size);
}

/// The image as its rows will be, without names.
struct Draft {
    Digest id;
    spec::Platform platform;
    int64_t created_ns = 0;
    std::vector<Digest> chain_ids;
};

Draft draft_of(const BlobStore& blobs, const NewImage& image) {
    Draft draft;
    if (image.kind == ImageKind::artifact) {
        if (!image.manifest) throw Error(ErrorKind::invalid_argument, "an artifact needs its manifest");
        draft.id = image.manifest->digest;
        return draft;
    }
    draft.id = image.config;
    spec::ImageConfig config = with_context("image configuration " + image.config.text(), [&] {
        return spec::parse_image_config(blobs.read(image.config));
    });
    std::vector<Digest> diff_ids;
    for (const LayerBlob& layer : image.layers) diff_ids.push_back(layer.diff_id);
    if (diff_ids != config.rootfs.diff_ids)
        throw make_error(ErrorKind::invalid_argument,
                         "image {}: its configuration has {} layers, which are not the {} that came with it",
                         image.config.text(), config.rootfs.diff_ids.size(), diff_ids.size());
    draft.platform.os = config.os;
    draft.platform.architecture = config.architecture;
    draft.platform.variant = config.variant;
    draft.platform.os_version = config.os_version;
    draft.created_ns = parse_time(config.created);
    draft.chain_ids = spec::chain_ids(diff_ids);
    return draft;
}

/// Whether all of its layers are unpacked. Throws where a layer has neither folder nor blob.
bool check_layers(db::Database& database, const NewImage& image, const Draft& draft) {
    bool is_unpacked = image.kind == ImageKind::image;
    for (size_t i = 0; i < image.layers.size(); ++i) {
        if (i < draft.chain_ids.size() && is_ready(database, draft.chain_ids[i])) continue;
        is_unpacked = false;
        require_blob(database, image.layers[i].blob.digest, fmt::format("layer {}", i + 1));
    }
    return is_unpacked;
}

void insert_layers(db::Database& database, const NewImage& image, const Draft& draft) {
    database.run("DELETE FROM image_layers WHERE image = ?", draft.id.text());
    for (size_t i = 0; i < image.layers.size(); ++i) {
        const LayerBlob& layer = image.layers[i];
        std::optional<std::string> chain_id;
        if (i < draft.chain_ids.size()) chain_id = draft.chain_ids[i].text();
        database.run(
            "INSERT INTO image_layers(image, position, diff_id, chain_id, blob, media_type, blob_size) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            draft.id.text(), static_cast<int64_t>(i), layer.diff_id.text(), chain_id,
            layer.blob.digest.text(), layer.blob.mediaType, layer.blob.size);
        if (!layer.blob.digest.empty()) insert_blob(database, draft.id, layer.blob.digest, "layer");
        insert_layer_blob(database, layer);
    }
}

void insert_image(db::Database& database, const NewImage& image, const Draft& draft, bool is_unpacked) {
    std::optional<std::string> manifest;
    if (image.manifest) manifest = image.manifest->digest.text();
    database.run(
        "INSERT INTO images(id, kind, config, os, architecture, variant, os_version, created_ns, added_ns, "
        "manifest, "
        "parent, is_unpacked) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
        "manifest = coalesce(excluded.manifest, manifest), parent = coalesce(excluded.parent, parent), "
        "is_unpacked = max(excluded.is_unpacked, is_unpacked)",
        draft.id.text(), image.kind == ImageKind::artifact ? "artifact" : "image", image.config.text(),
        draft.platform.os, draft.platform.architecture, draft.platform.variant, draft.platform.os_version,
        draft.created_ns, now_ns(), manifest, text_of(image.parent), is_unpacked);
    insert_layers(database, image, draft);
    if (!image.config.empty()) insert_blob(database, draft.id, image.config, "config");
    if (image.manifest) insert_blob(database, draft.id, image.manifest->digest, "manifest");
    for (const Digest& index : image.indexes) insert_blob(database, draft.id, index, "index");
}

}  // namespace

Store::State::State(std::string folder, const Options& options)
    : root(with_room(std::move(folder))),
      reserve(root),
      metadata(db::Database(root + "/state.db", db::Sync::full, migrations())),
      snapshots(metadata, root, {.relaxed = options.relaxed_snapshots, .base = options.base_folder}),
      blobs(metadata, root, std::string(kReferencedBlobs), [this] {
          snapshots.recover();
          was_alone = true;
      }) {}

Store::Store(const Options& options) {
    std::string root = real_root(options);
    auto open = [&] {
        return with_context([&] { return "opening the store in " + root; },
                            [&] { return std::make_unique<State>(root, options); });
    };
    state_ = with_reserve(Reserve(root), open);
    if (options.relaxed_snapshots) state_->metadata.take_over_checkpoints();
    if (!state_->was_alone) return;
    for (const Digest& id : repair())
        log::warning("image {} lost a layer in an unclean shutdown; pull it again", id.short_hex());
}
Store::~Store() = default;

const std::string& Store::root() const {
    return state_->root;
}
BlobStore& Store::blobs() {
    return state_->blobs;
}
Snapshots& Store::snapshots() {
    return state_->snapshots;
}
void Store::sync_metadata() {
    state_->metadata.sync();
}

// The lease protects all of this until the rows do; a parameter, so that nobody comes without one.
Image Store::add(Lease&, const NewImage& image) {
    Draft draft = draft_of(state_->blobs, image);
    return state_->metadata.write([&](db::Database& database) {
        if (!image.config.empty()) require_blob(database, image.config, "image configuration");
        if (image.manifest) require_blob(database, image.manifest->digest, "manifest");
        for (const Digest& index : image.indexes) require_blob(database, index, "image index");
        bool is_unpacked = check_layers(database, image, draft);
        insert_image(database, image, draft, is_unpacked);
        for (const spec::Reference& name : image.names) insert_name(database, name, draft.id);
        return *load_image(database, draft.id);
    });
}

void Store::tag(const Image& image, const spec::Reference& name) {
    if (name.digest())
        throw Error(ErrorKind::invalid_argument, "refusing to create a tag with a digest reference");
    state_->metadata.write([&](db::Database& database) {
        if (!load_image(database, image.id)) throw no_such_image(image.id.text());
        insert_name(database, name, image.id);
    });
}

void Store::record_digest(const Image& image, const spec::Reference& name) {
    if (!name.digest()) throw make_error(ErrorKind::invalid_argument, "{} has no digest", name.text());
    state_->metadata.write([&](db::Database& database) {
        if (!load_image(database, image.id)) throw no_such_image(image.id.text());
        insert_name(database, name.with_digest(*name.digest()), image.id);
    });
}

std::vector<std::string> Store::blob_sources(const Digest& blob) const {
    return state_->metadata.read([&](db::Database& database) {
        std::vector<std::string> sources;
        db::Statement rows =
            database
                .prepare(
                    "SELECT repository FROM blob_sources WHERE blob = ? ORDER BY seen_ns DESC, repository")
                .with(blob.text());
        while (rows.step()) sources.push_back(rows.text(0));
        return sources;
    });
}

void Store::record_blob_source(const Digest& blob, const spec::Reference& repository) {
    state_->metadata.write_relaxed([&](db::Database& database) {
        database.run(
            "INSERT INTO blob_sources(blob, repository, seen_ns) VALUES (?, ?, ?) "
            "ON CONFLICT (blob, repository) DO UPDATE SET seen_ns = excluded.seen_ns",
            blob.text(), repository.name(), now_ns());
    });
}

std::vector<LayerBlob> Store::blobs_of(const Digest& diff_id) const {
    return state_->metadata.read([&](db::Database& database) {
        std::vector<LayerBlob> found;
        // Those that are here first.
        db::Statement rows = database
                                 .prepare(
                                     "SELECT blob, media_type, layer_blobs.size FROM layer_blobs LEFT JOIN "
                                     "blobs ON digest = blob "
                                     "WHERE diff_id = ? ORDER BY digest IS NULL, blob")
                                 .with(diff_id.text());
        while (rows.step()) {
            LayerBlob layer{.diff_id = diff_id, .blob = {}};
            layer.blob.digest = Digest::parse(rows.text(0));
            layer.blob.mediaType = rows.text(1);
            layer.blob.size = rows.integer(2);
            found.push_back(std::move(layer));
        }
        return found;
    });
}

void Store::record_layer_blob(const LayerBlob& layer) {
    state_->metadata.write_relaxed([&](db::Database& database) { insert_layer_blob(database, layer); });
}

Digest chain_id_of(const std::optional<Digest>& parent, const Digest& diff_id) {
    return parent ? Digest::of(parent->text() + " " + diff_id.text()) : diff_id;
}

}  // namespace berth::store
