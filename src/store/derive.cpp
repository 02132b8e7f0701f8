// SPDX-License-Identifier: Apache-2.0
#include "store/derive.h"

#include <fmt/format.h>

#include <array>
#include <chrono>

#include "base/error.h"
#include "base/strings.h"
#include "store/archive_layers.h"
#include "store/compression.h"
#include "store/config_changes.h"

namespace berth::store {

namespace {

/// The tar without entries: two zero blocks. It is no layer worth having.
constexpr std::string_view kEmptyTar =
    "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

std::string_view media_type(Compression compression) {
    switch (compression) {
        case Compression::none: return spec::media::kOciLayer;
        case Compression::gzip: return spec::media::kOciLayerGzip;
        case Compression::zstd: return spec::media::kOciLayerZstd;
    }
    return spec::media::kOciLayer;
}

/// Compressions that Docker calls a program for.
void refuse_other_compression(std::span<const std::byte> head) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kOthers = {{
        {std::string_view("\xfd"
                          "7zXZ\0",
                          6),
         "xz"},
        {"BZh", "bzip2"},
    }};
    std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
    for (const auto& [magic, name] : kOthers)
        if (text.starts_with(magic))
            throw make_error(ErrorKind::invalid_argument,
                             "the archive is compressed with {}: decompress it first ({} -dc)", name, name);
}

spec::Descriptor store_stream(Store& store, Lease& lease, sys::ByteSource& from) {
    auto ingest =
        store.blobs().ingest(lease, "import-" + random_hex(16), std::nullopt, std::chrono::seconds(1));
    if (!ingest) throw Error(ErrorKind::internal, "a new ingest is locked");
    spec::Descriptor blob;
    try {
        Hasher hasher;
        std::vector<std::byte> buffer(1u << 20);
        uint64_t offset = 0;
        for (size_t n; (n = from.read(buffer)) != 0; offset += n) {
            auto part = std::span(buffer).first(n);
            if (offset == 0) refuse_other_compression(part);
            hasher.update(part);
            ingest->write_at(offset, part);
        }
        if (offset == 0) throw Error(ErrorKind::invalid_argument, "the archive is empty");
        ingest->set_size(offset);
        blob.digest = hasher.finish();
        blob.size = static_cast<int64_t>(offset);
        ingest->commit(blob.digest, false);
    } catch (...) {
        ingest->discard();
        throw;
    }
    return blob;
}

Digest content_digest(Store& store, spec::Descriptor& descriptor) {
    Blob blob = store.blobs().open(descriptor.digest);
    sys::FdSource file(blob.fd.get(), descriptor.digest.text());
    PeekedSource peeked(file);
    descriptor.mediaType = media_type(peeked.compression());
    auto plain = make_decompressor(peeked, peeked.compression());
    HashingSource hashed(*plain);
    std::vector<std::byte> buffer(1u << 20);
    while (hashed.read(buffer) != 0) {
    }
    return hashed.digest();
}

Image import_with_lease(Store& store, sys::ByteSource& tar, const spec::Platform& platform,
                        const NewImageText& text) {
    Lease lease = store.blobs().lease("import");
    LayerBlob layer;
    layer.blob = store_stream(store, lease, tar);
    layer.diff_id = content_digest(store, layer.blob);
    unpack_layers(store, lease, {layer}, {});

    spec::ImageConfig config;
    config.created = rfc3339(now_ns());
    config.author = text.author;
    config.architecture = platform.architecture;
    config.os = platform.os;
    config.variant = platform.variant;
    apply_changes(config.config, text.changes);
    config.rootfs.diff_ids = {layer.diff_id};
    config.history = {
        {.created = config.created, .author = text.author, .created_by = {}, .comment = text.message}};
    NewImage image;
    image.config = store.blobs().put(lease, spec::print_image_config(config)).digest;
    image.layers = {layer};
    image.names = text.names;
    return store.add(lease, image);
}

}  // namespace

Image import_image(Store& store, sys::ByteSource& tar, const spec::Platform& platform,
                   const NewImageText& text) {
    // Before anything is read: a mistake in them shall not cost a whole upload.
    spec::ImageRunConfig scratch;
    apply_changes(scratch, text.changes);
    std::exception_ptr failure;
    try {
        return import_with_lease(store, tar, platform, text);
    } catch (...) {
        failure = std::current_exception();
    }
    store.collect();
    std::rethrow_exception(failure);
}

Image commit_image(Store& store, const std::string& snapshot, const std::optional<Image>& base,
                   const NewImageText& text) {
    spec::ImageConfig config;
    NewImage image;
    if (base) {
        config = store.config(*base);
        image.layers = base->layers;
        image.parent = base->id;
    } else {
        spec::Platform host = spec::Platform::host();
        config.architecture = host.architecture;
        config.os = host.os;
        config.variant = host.variant;
    }
    apply_changes(config.config, text.changes);
    Lease lease = store.blobs().lease("commit");
    LayerBlob layer = store.commit_layer(lease, snapshot, std::nullopt);
    config.created = rfc3339(now_ns());
    config.author = text.author;
    spec::History entry{
        .created = config.created, .author = text.author, .created_by = {}, .comment = text.message};
    entry.empty_layer = layer.diff_id.text() == kEmptyTar;
    if (!entry.empty_layer) {
        config.rootfs.diff_ids.push_back(layer.diff_id);
        image.layers.push_back(std::move(layer));
    }
    config.history.push_back(std::move(entry));
    image.config = store.blobs().put(lease, spec::print_image_config(config)).digest;
    image.names = text.names;
    return store.add(lease, image);
}

std::optional<Image> base_of(const Store& store, const SnapshotInfo& snapshot) {
    if (!snapshot.parent) return std::nullopt;
    ListFilters all;
    all.all = true;
    std::vector<Image> found;
    for (Image& image : store.list(all))
        if (image.kind == ImageKind::image && image.top_chain_id() == snapshot.parent)
            found.push_back(std::move(image));
    if (found.empty())
        throw make_error(ErrorKind::not_found,
                         "the image of snapshot {} was removed: name another one with the same layers",
                         snapshot.name);
    if (found.size() > 1) {
        std::string ids;
        for (const Image& image : found)
            ids += fmt::format("{}{}", ids.empty() ? "" : ", ", image.id.short_hex());
        throw make_error(ErrorKind::conflict,
                         "snapshot {} could be of several images ({}): name one with --base", snapshot.name,
                         ids);
    }
    return std::move(found.front());
}

}  // namespace berth::store
