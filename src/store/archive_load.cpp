// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <exception>
#include <set>

#include "base/error.h"
#include "base/log.h"
#include "store/archive.h"
#include "store/archive_files.h"
#include "store/archive_images.h"
#include "store/archive_layers.h"
#include "store/compression.h"

namespace berth::store {

namespace {

/// By the content, as a docker-archive doesn't tell.
std::string_view layer_media_type(Store& store, const Digest& digest) {
    Blob blob = store.blobs().open(digest);
    sys::FdSource file(blob.fd.get(), digest.text());
    switch (PeekedSource(file).compression()) {
        case Compression::none: return spec::media::kOciLayer;
        case Compression::gzip: return spec::media::kOciLayerGzip;
        case Compression::zstd: return spec::media::kOciLayerZstd;
    }
    return spec::media::kOciLayer;
}

class Loader {
  public:
    Loader(Store& store, const LoadOptions& options)
        : store_(store), options_(options), lease_(store.blobs().lease("load")), files_(store, lease_) {}

    /// Whether blobs are left that no image needs.
    bool run(sys::ByteSource& from, std::vector<Loaded>& loaded) {
        PeekedSource peeked(from);
        auto plain = make_decompressor(peeked, peeked.compression());
        files_.read(*plain);
        std::vector<NewImage> images;
        for (const ArchiveImage& image : archive_images(files_, options_.platform))
            images.push_back(with_context("image " + image.what, [&] { return bring(image); }));
        // Not before all of them are good: an archive is loaded or not.
        for (const NewImage& image : images) loaded.push_back(add(image));
        return files_.has_unused();
    }

  private:
    NewImage bring(const ArchiveImage& from) {
        NewImage image;
        image.kind = from.kind;
        image.names = from.names;
        image.manifest = from.manifest;
        image.indexes = from.indexes;
        std::string config_text;
        if (from.config) {
            files_.keep(*from.config);
            image.config = from.config->digest;
        } else {
            image.config = store_.blobs().put(lease_, from.config_text).digest;
        }
        if (from.manifest) keep(from.manifest->digest);
        for (const Digest& index : from.indexes) keep(index);
        for (const spec::Descriptor& layer : from.layers) {
            files_.keep({layer.digest, static_cast<uint64_t>(layer.size)});
            image.layers.push_back({layer.digest, layer});
            if (layer.mediaType.empty())
                image.layers.back().blob.mediaType = layer_media_type(store_, layer.digest);
        }
        if (from.kind == ImageKind::image) bring_layers(image, from);
        return image;
    }

    void keep(const Digest& digest) {
        if (auto file = files_.find_blob(digest)) files_.keep(*file);
    }

    void bring_layers(NewImage& image, const ArchiveImage& from) {
        spec::ImageConfig config = with_context("config", [&] {
            return spec::parse_image_config(from.config ? files_.text(*from.config) : from.config_text);
        });
        if (options_.platform) {
            spec::Platform found{.architecture = config.architecture,
                                 .os = config.os,
                                 .os_version = {},
                                 .os_features = {},
                                 .variant = config.variant};
            if (!found.satisfies(*options_.platform))
                throw make_error(ErrorKind::invalid_argument, "it is for platform {}, not {}", found.text(),
                                 options_.platform->text());
        }
        if (config.rootfs.diff_ids.size() != image.layers.size())
            throw make_error(ErrorKind::invalid_argument,
                             "invalid manifest, layers length mismatch: expected {}, got {}",
                             config.rootfs.diff_ids.size(), image.layers.size());
        for (size_t i = 0; i < image.layers.size(); ++i) image.layers[i].diff_id = config.rootfs.diff_ids[i];
        unpack_layers(store_, lease_, image.layers, options_.progress);
    }

    Loaded add(const NewImage& image) {
        std::map<spec::Reference, Digest> before;
        for (const spec::Reference& name : image.names)
            if (auto old = store_.find(name.text())) before.emplace(name, old->id);
        Loaded loaded;
        loaded.image = store_.add(lease_, image).id;
        loaded.names = image.names;
        for (const auto& [name, id] : before)
            if (id != loaded.image) loaded.moved.emplace_back(name, id);
        return loaded;
    }

    Store& store_;
    const LoadOptions& options_;
    Lease lease_;
    ArchiveFiles files_;
};

}  // namespace

std::vector<Loaded> load_archive(Store& store, sys::ByteSource& from, const LoadOptions& options) {
    std::vector<Loaded> loaded;
    bool has_unused = true;
    std::exception_ptr failure;
    try {
        with_context("loading " + options.archive,
                     [&] { has_unused = Loader(store, options).run(from, loaded); });
    } catch (...) {
        failure = std::current_exception();
    }
    // The lease is gone: what nothing refers to can go.
    if (has_unused) {
        try {
            store.collect();
        } catch (const std::exception& error) {
            log::warning("load: collecting what is not needed: {}", error.what());
        }
    }
    if (failure) std::rethrow_exception(failure);
    return loaded;
}

}  // namespace berth::store
