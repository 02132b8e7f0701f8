// SPDX-License-Identifier: Apache-2.0
#include "store/archive_layers.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>

#include "base/error.h"
#include "store/pipeline.h"
#include "store/space.h"
#include "sys/file.h"

namespace berth::store {

namespace {

using LayerProgress = std::function<void(const Digest&, uint64_t)>;

/// What is free for a layer's content: a tar can't be unpacked where it is larger, so a bomb ends there.
uint64_t free_bytes(int folder) {
    struct statvfs info{};
    sys::check(fstatvfs(folder, &info), "fstatvfs");
    return uint64_t{info.f_bavail} * info.f_frsize;
}

/// Whether the store has seen this blob with this diff id before.
bool is_known(const Store& store, const LayerBlob& layer) {
    for (const LayerBlob& known : store.blobs_of(layer.diff_id))
        if (known.blob.digest == layer.blob.digest) return true;
    return false;
}

Digest unpack_into(LayerBuild& build, PeekedSource& from, const Digest& diff_id,
                   const LayerProgress& progress, UnpackResult& result) {
    UnpackOptions options;
    options.max_bytes = free_bytes(build.root());
    if (progress) options.progress = [&](uint64_t bytes) { progress(diff_id, bytes); };
    UnpackedLayer layer = unpack_compressed(from, from.compression(), build.root(), options);
    result = std::move(layer.result);
    return layer.diff_id;
}

Digest content_digest(PeekedSource& from, std::string_view algorithm) {
    auto plain = make_decompressor(from, from.compression());
    HashingSource tar(*plain, algorithm);
    std::vector<std::byte> buffer(256u << 10);
    while (tar.read(buffer) != 0) {
    }
    return tar.digest();
}

/// Reads the blob to its end, into `build` where there is one, and compares the digest.
UnpackResult unpack_blob(Store& store, const LayerBlob& layer, LayerBuild* build,
                         const LayerProgress& progress) {
    Blob blob = store.blobs().open(layer.blob.digest);
    sys::FdSource file(blob.fd.get(), layer.blob.digest.text());
    PeekedSource peeked(file);
    UnpackResult result;
    Digest found = build ? unpack_into(*build, peeked, layer.diff_id, progress, result)
                         : content_digest(peeked, layer.diff_id.algorithm());
    if (found != layer.diff_id)
        throw make_error(ErrorKind::invalid_argument, "the content of blob {} has the digest {}",
                         layer.blob.digest.text(), found.text());
    return result;
}

}  // namespace

PeekedSource::PeekedSource(sys::ByteSource& from) : from_(from) {
    while (held_ < head_.size()) {
        size_t n = from_.read(std::span(head_).subspan(held_));
        if (n == 0) break;
        held_ += n;
    }
}

size_t PeekedSource::read(std::span<std::byte> into) {
    if (given_ == held_) return from_.read(into);
    size_t n = std::min(into.size(), held_ - given_);
    std::copy_n(head_.begin() + static_cast<ptrdiff_t>(given_), n, into.begin());
    given_ += n;
    return n;
}

void unpack_layers(Store& store, Lease& lease, const std::vector<LayerBlob>& layers,
                   const LayerProgress& progress) {
    std::vector<Digest> diff_ids;
    for (const LayerBlob& layer : layers) diff_ids.push_back(layer.diff_id);
    std::vector<Digest> chain = spec::chain_ids(diff_ids);
    for (size_t i = 0; i < layers.size(); ++i) {
        with_context(
            [&] { return fmt::format("layer {} of {} ({})", i + 1, layers.size(), diff_ids[i].text()); },
            [&] {
                std::unique_ptr<LayerBuild> build;
                if (!store.snapshots().protect_layer(lease, chain[i]))
                    build = store.snapshots().build_layer(lease, chain[i], diff_ids[i],
                                                          i > 0 ? std::optional(chain[i - 1]) : std::nullopt);
                if (!build && is_known(store, layers[i])) return;
                UnpackResult result = advise_on_space(
                    store.root(), [&] { return unpack_blob(store, layers[i], build.get(), progress); });
                if (build) build->commit(result);
            });
    }
}

}  // namespace berth::store
