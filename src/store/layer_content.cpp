// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <array>
#include <set>

#include "base/strings.h"
#include "store/compression.h"
#include "store/image_rows.h"
#include "store/images.h"
#include "store/ingest_sink.h"
#include "store/mount_options.h"
#include "store/pipeline.h"
#include "store/space.h"
#include "store/store_state.h"

namespace berth::store {

namespace {

Compression compression_of_blob(const Blob& blob) {
    std::array<std::byte, 6> head{};
    ssize_t size = ::pread(blob.fd.get(), head.data(), head.size(), 0);
    return detect_compression(std::span(head).first(size > 0 ? static_cast<size_t>(size) : 0));
}

Error other_content(const Digest& expected, const Digest& found) {
    return make_error(ErrorKind::invalid_argument, "the layer's content has the digest {}, not {}",
                      found.text(), expected.text());
}

}  // namespace

LayerInfo Store::unpack_blob(Lease& lease, const LayerBlob& layer, const std::optional<Digest>& parent) {
    Digest chain_id = chain_id_of(parent, layer.diff_id);
    std::unique_ptr<LayerBuild> build = state_->snapshots.build_layer(lease, chain_id, layer.diff_id, parent);
    if (!build) return state_->snapshots.find_layer(chain_id).value();
    return with_context([&] { return "unpacking layer " + layer.diff_id.text(); },
                        [&] {
                            Blob blob = state_->blobs.open(layer.blob.digest);
                            sys::FdSource file(blob.fd.get(), layer.blob.digest.text());
                            UnpackOptions options;
                            options.user_xattrs = needs_user_xattrs();
                            UnpackedLayer unpacked = advise_on_space(state_->root, [&] {
                                return unpack_compressed(file, compression_of_blob(blob), build->root(),
                                                         options);
                            });
                            if (unpacked.diff_id != layer.diff_id)
                                throw other_content(layer.diff_id, unpacked.diff_id);
                            return build->commit(unpacked.result);
                        });
}

void Store::write_layer(const Digest& chain_id, sys::ByteSink& to) const {
    std::optional<LayerInfo> layer = state_->snapshots.find_layer(chain_id);
    if (!layer) throw make_error(ErrorKind::not_found, "layer {} is not in the store", chain_id.text());
    HashingSink hashed(to, layer->diff_id.algorithm());
    std::optional<Blob> blob;
    for (const LayerBlob& known : blobs_of(layer->diff_id))
        if (!blob && state_->blobs.find(known.blob.digest)) blob = state_->blobs.open(known.blob.digest);
    if (blob) {
        sys::FdSource file(blob->fd.get(), "blob of layer " + layer->diff_id.text());
        std::unique_ptr<sys::ByteSource> tar = make_decompressor(file, compression_of_blob(*blob));
        sys::copy(*tar, hashed);
    } else {
        write_layer_tar(state_->snapshots.open_layer(chain_id).get(), hashed);
    }
    if (Digest found = hashed.digest(); found != layer->diff_id)
        throw make_error(ErrorKind::unavailable,
                         "layer {} can't be written as it came, since its blob is gone: pull its image again",
                         layer->diff_id.text());
}

LayerBlob Store::commit_layer(Lease& lease, const std::string& snapshot, std::optional<int64_t> clamp_mtime) {
    std::optional<SnapshotInfo> info = state_->snapshots.find(snapshot);
    if (!info) throw make_error(ErrorKind::not_found, "No such snapshot: {}", snapshot);
    LayerBlob layer;
    std::unique_ptr<Ingest> ingest =
        state_->blobs.ingest(lease, "commit-" + random_hex(12), std::nullopt, Snapshots::kForever);
    try {
        IngestSink file(*ingest);
        HashingSink compressed(file);
        std::unique_ptr<Compressor> compressor = make_compressor(compressed, Compression::gzip);
        HashingSink tar(*compressor);
        state_->snapshots.write_diff(snapshot, tar, {.clamp_mtime = clamp_mtime});
        compressor->finish();
        layer.diff_id = tar.digest();
        layer.blob.mediaType = spec::media::kOciLayerGzip;
        layer.blob.digest = compressed.digest();
        layer.blob.size = static_cast<int64_t>(ingest->commit(layer.blob.digest, false).size);
    } catch (...) {
        ingest->discard();
        throw;
    }
    unpack_blob(lease, layer, info->parent);
    record_layer_blob(layer);
    state_->metadata.write_relaxed([&](db::Database& database) {
        database.run("UPDATE layer_blobs SET is_reproducible = 1 WHERE diff_id = ? AND blob = ?",
                     layer.diff_id.text(), layer.blob.digest.text());
    });
    return layer;
}

std::vector<Digest> Store::repair() {
    std::vector<Image> broken = state_->metadata.read([](db::Database& database) {
        std::vector<Digest> ids;
        {
            db::Statement rows = database.prepare(
                "SELECT DISTINCT id FROM images JOIN image_layers ON image = id WHERE is_unpacked AND "
                "chain_id NOT IN (SELECT chain_id FROM layers WHERE state = 'ready')");
            while (rows.step()) ids.push_back(Digest::parse(rows.text(0)));
        }
        std::vector<Image> images;
        for (const Digest& id : ids) images.push_back(load_image(database, id).value());
        return images;
    });
    std::vector<Digest> lost;
    if (broken.empty()) return lost;
    Lease lease = state_->blobs.lease("repair");
    for (const Image& image : broken) {
        try {
            std::optional<Digest> parent;
            for (size_t i = 0; i < image.layers.size(); ++i) {
                unpack_blob(lease, image.layers[i], parent);
                parent = image.chain_ids[i];
            }
        } catch (const Error& error) {
            if (is_out_of_space(error)) throw;
            lost.push_back(image.id);
        }
    }
    state_->snapshots.sync();
    return lost;
}

/// Oldest first. A layer may be asked for again only by its folder from then on, which must therefore be safe
/// on disk.
uint64_t Store::drop_blobs(uint64_t bytes) {
    constexpr std::string_view kDroppable = R"sql(
        SELECT digest, size FROM blobs
        WHERE digest IN (SELECT blob FROM image_layers WHERE chain_id IS NOT NULL)
          AND digest NOT IN (SELECT digest FROM image_blobs WHERE role != 'layer')
          AND digest NOT IN (SELECT blob FROM image_layers WHERE chain_id IS NULL OR chain_id NOT IN
                             (SELECT chain_id FROM layers WHERE state = 'ready' AND synced))
          AND (digest IN (SELECT blob FROM blob_sources)
               OR digest IN (SELECT blob FROM layer_blobs WHERE is_reproducible))
        )sql";
    std::vector<std::pair<Digest, uint64_t>> candidates = state_->metadata.read([&](db::Database& database) {
        std::vector<std::pair<Digest, uint64_t>> found;
        db::Statement rows = database.prepare(fmt::format("{} ORDER BY created_ns, digest", kDroppable));
        while (rows.step())
            found.emplace_back(Digest::parse(rows.text(0)), static_cast<uint64_t>(rows.integer(1)));
        return found;
    });
    uint64_t freed = 0;
    for (const auto& [digest, size] : candidates) {
        if (freed >= bytes) break;
        // An image that came meanwhile may need it.
        auto is_droppable = [&](db::Database& database) {
            return database.prepare(fmt::format("{} AND digest = ?", kDroppable)).with(digest.text()).step();
        };
        if (state_->blobs.drop(digest, is_droppable)) freed += size;
    }
    return freed;
}

}  // namespace berth::store
