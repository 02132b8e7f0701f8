// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "store/archive.h"
#include "store/compression.h"
#include "sys/tar_writer.h"

namespace berth::store {

namespace {

class NullSink : public sys::ByteSink {
  public:
    void write(std::span<const std::byte>) override {}
};

class EntrySink : public sys::ByteSink {
  public:
    explicit EntrySink(sys::TarWriter& tar) : tar_(tar) {}
    void write(std::span<const std::byte> data) override { tar_.write(data); }

  private:
    sys::TarWriter& tar_;
};

/// Where the bytes of a blob of the archive come from.
struct Content {
    uint64_t size = 0;
    std::optional<std::string> text;  ///< made here,
    std::optional<Digest> chain_id;   ///< or written anew from the layer's folder,
    /// else from the store.
};

struct Chosen {
    Image image;
    std::set<spec::Reference> names;
};

class Saver {
  public:
    Saver(Store& store, SaveFormat format)
        : store_(store), format_(format), lease_(store.blobs().lease("save")) {}

    void run(const std::vector<std::string>& texts, sys::ByteSink& to) {
        for (const std::string& text : texts) choose(text);
        for (const Chosen& chosen : chosen_)
            with_context([&] { return "image " + shown(chosen); }, [&] { describe(chosen); });
        write(to);
    }

  private:
    static std::string shown(const Chosen& chosen) {
        return chosen.names.empty() ? chosen.image.id.text() : chosen.names.begin()->familiar();
    }

    void choose(const std::string& text) {
        std::optional<spec::Reference> reference = spec::Reference::try_parse(text);
        if (reference && !reference->tag() && !reference->digest()) {
            bool found = false;
            for (Image& image : store_.list({}))
                for (const spec::Reference& tag : std::vector(image.tags))
                    if (tag.name() == reference->name()) {
                        add(image).names.insert(tag);
                        found = true;
                    }
            if (found) return;
        }
        Image image = store_.get(text);
        std::vector<spec::Reference> tags = image.tags;
        Chosen& chosen = add(std::move(image));
        // An id saves no name; a name saves itself.
        for (const spec::Reference& tag : tags)
            if (reference && reference->tag() && tag == reference->with_tag(*reference->tag()))
                chosen.names.insert(tag);
    }

    Chosen& add(Image image) {
        for (Chosen& chosen : chosen_)
            if (chosen.image.id == image.id) return chosen;
        return chosen_.emplace_back(std::move(image), std::set<spec::Reference>{});
    }

    bool take_blob(const Digest& digest) {
        std::optional<BlobInfo> info = store_.blobs().protect(lease_, digest);
        if (info) blobs_.try_emplace(digest, Content{.size = info->size, .text = {}, .chain_id = {}});
        return info.has_value();
    }

    /// With the manifest that it came with, if all of that is still here.
    std::optional<spec::Manifest> original_manifest(const Image& image) {
        if (!image.manifest || !store_.blobs().protect(lease_, *image.manifest)) return std::nullopt;
        spec::Manifest manifest = spec::parse_manifest(store_.blobs().read(*image.manifest));
        for (const spec::Descriptor& layer : manifest.layers)
            if (!store_.blobs().protect(lease_, layer.digest)) return std::nullopt;
        return manifest;
    }

    spec::Descriptor layer(const Image& image, size_t index) {
        std::vector<LayerBlob> candidates = {image.layers[index]};
        for (LayerBlob& other : store_.blobs_of(image.layers[index].diff_id))
            candidates.push_back(std::move(other));
        std::sort(candidates.begin() + 1, candidates.end(),
                  [](const LayerBlob& a, const LayerBlob& b) { return a.blob.digest < b.blob.digest; });
        for (const LayerBlob& candidate : candidates) {
            if (candidate.blob.digest.empty() || !take_blob(candidate.blob.digest)) continue;
            spec::Descriptor descriptor;
            descriptor.mediaType = candidate.blob.mediaType;
            descriptor.digest = candidate.blob.digest;
            descriptor.size = static_cast<int64_t>(blobs_.at(descriptor.digest).size);
            return descriptor;
        }
        // Its blob is gone: the same tar again, from the folder. A first pass tells the size.
        NullSink nothing;
        HashingSink counted(nothing);
        store_.write_layer(image.chain_ids[index], counted);
        const Digest& diff_id = image.layers[index].diff_id;
        blobs_.try_emplace(diff_id,
                           Content{.size = counted.count(), .text = {}, .chain_id = image.chain_ids[index]});
        spec::Descriptor descriptor;
        descriptor.mediaType = spec::media::kOciLayer;
        descriptor.digest = diff_id;
        descriptor.size = static_cast<int64_t>(counted.count());
        return descriptor;
    }

    spec::Descriptor make_manifest(const Image& image, spec::Manifest& manifest) {
        manifest.mediaType = spec::media::kOciManifest;
        manifest.config.mediaType = spec::media::kOciConfig;
        manifest.config.digest = image.id;
        manifest.config.size = static_cast<int64_t>(blobs_.at(image.id).size);
        for (size_t i = 0; i < image.layers.size(); ++i) manifest.layers.push_back(layer(image, i));
        std::string text = spec::print_manifest(manifest);
        spec::Descriptor descriptor;
        descriptor.mediaType = manifest.mediaType;
        descriptor.digest = Digest::of(text);
        descriptor.size = static_cast<int64_t>(text.size());
        blobs_.try_emplace(descriptor.digest,
                           Content{.size = text.size(), .text = std::move(text), .chain_id = {}});
        return descriptor;
    }

    void describe(const Chosen& chosen) {
        const Image& image = chosen.image;
        spec::Descriptor descriptor;
        std::optional<spec::Manifest> manifest = original_manifest(image);
        if (manifest) {
            for (const spec::Descriptor& layer : manifest->layers) take_blob(layer.digest);
            take_blob(manifest->config.digest);
            take_blob(*image.manifest);
            descriptor.mediaType = manifest->mediaType;
            if (descriptor.mediaType.empty()) descriptor.mediaType = spec::media::kOciManifest;
            descriptor.digest = *image.manifest;
            descriptor.size = static_cast<int64_t>(blobs_.at(*image.manifest).size);
        } else {
            if (image.kind != ImageKind::image || !take_blob(image.id))
                throw make_error(ErrorKind::not_found, "its blobs are not here any more: pull it again");
            descriptor = make_manifest(image, manifest.emplace());
        }
        if (image.kind == ImageKind::image) {
            descriptor.platform = image.platform;
            add_docker_entry(chosen, *manifest);
        }
        add_to_index(chosen, descriptor);
    }

    void add_docker_entry(const Chosen& chosen, const spec::Manifest& manifest) {
        auto path = [](const Digest& digest) {
            return fmt::format("blobs/{}/{}", digest.algorithm(), digest.hex());
        };
        json::Array tags, layers;
        for (const spec::Reference& name : chosen.names) tags.emplace_back(name.familiar());
        for (const spec::Descriptor& layer : manifest.layers) layers.emplace_back(path(layer.digest));
        json::Object entry;
        entry["Config"] = path(chosen.image.id);
        entry["RepoTags"] = tags.empty() ? json::Value(nullptr) : json::Value(tags);
        entry["Layers"] = layers;
        docker_.emplace_back(std::move(entry));
    }

    void add_to_index(const Chosen& chosen, const spec::Descriptor& descriptor) {
        if (chosen.names.empty()) index_.manifests.push_back(descriptor);
        for (const spec::Reference& name : chosen.names) {
            spec::Descriptor named = descriptor;
            named.annotations["io.containerd.image.name"] = name.text();
            named.annotations["org.opencontainers.image.ref.name"] = name.tag().value_or("latest");
            index_.manifests.push_back(std::move(named));
        }
    }

    void write(sys::ByteSink& to) {
        index_.mediaType = spec::media::kOciIndex;
        sys::TarWriter tar(to);
        sys::TarHeader folder;
        folder.type = sys::TarType::directory;
        folder.mode = 0755;
        std::set<std::string> folders = {"blobs"};
        for (const auto& [digest, content] : blobs_)
            folders.insert(fmt::format("blobs/{}", digest.algorithm()));
        for (const std::string& path : folders) {
            folder.path = path;
            tar.add(folder);
        }
        for (const auto& [digest, content] : blobs_) write_blob(tar, digest, content);
        add_text(tar, "index.json", spec::print_index(index_));
        if (format_ == SaveFormat::docker) add_text(tar, "manifest.json", json::print(docker_));
        add_text(tar, "oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
        tar.finish();
    }

    static sys::TarHeader file_header(std::string path, uint64_t size) {
        sys::TarHeader header;
        header.path = std::move(path);
        header.mode = 0644;
        header.size = size;
        return header;
    }

    static void add_text(sys::TarWriter& tar, std::string path, std::string_view text) {
        tar.add_file(file_header(std::move(path), text.size()), text);
    }

    void write_blob(sys::TarWriter& tar, const Digest& digest, const Content& content) {
        std::string path = fmt::format("blobs/{}/{}", digest.algorithm(), digest.hex());
        if (content.text) return add_text(tar, path, *content.text);
        tar.add(file_header(path, content.size));
        EntrySink entry(tar);
        if (content.chain_id) return store_.write_layer(*content.chain_id, entry);
        Blob blob = store_.blobs().open(digest);
        sys::FdSource file(blob.fd.get(), digest.text());
        sys::copy(file, entry);
    }

    Store& store_;
    SaveFormat format_;
    Lease lease_;
    std::vector<Chosen> chosen_;
    std::map<Digest, Content> blobs_;
    spec::Index index_;
    json::Array docker_;
};

}  // namespace

void save_archive(Store& store, const std::vector<std::string>& images, sys::ByteSink& to,
                  SaveFormat format) {
    Saver(store, format).run(images, to);
}

}  // namespace berth::store
