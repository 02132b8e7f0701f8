// SPDX-License-Identifier: Apache-2.0
#include "registry/client/push.h"

#include <algorithm>

namespace berth::registry {

namespace {

using Phase = Progress::Phase;

class ImagePush {
  public:
    ImagePush(Client::State& client, store::Store& store, spec::Reference reference,
              Authorizer::Lookup credentials, PushOptions options)
        : store_(store),
          reference_(std::move(reference)),
          options_(std::move(options)),
          repository_(client.transport, reference_, Endpoints::Purpose::push, std::move(credentials)),
          job_{client, store, repository_, reference_, options_.progress} {
        if (options_.compression) job_.compression = *options_.compression;
    }

    async::Task<PushResult> run() {
        std::function<void()> look = [this] { find_image(); };
        co_await async::run_blocking(std::move(look));
        co_await repository_.open();
        for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer)
            job_.tell({Phase::preparing, layer->id(), {}, 0, 0});
        std::vector<async::Task<void>> tasks;
        for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer)
            tasks.push_back(push_layer(job_, *layer));
        co_await async::all_of(std::move(tasks));
        co_await push_config();
        co_await push_manifest();
        std::function<void()> release = [this] { job_.lease.reset(); };
        co_await async::run_blocking(std::move(release));
        Progress told;
        told.text = fmt::format("{}: digest: {} size: {}", reference_.tag().value_or(""),
                                result_.manifest.text(), result_.size);
        job_.tell(std::move(told));
        co_return result_;
    }

  private:
    void find_image() {
        job_.lease.emplace(store_.blobs().lease("push " + reference_.familiar()));
        std::optional<store::Image> found = store_.find(reference_.text());
        if (!found) {
            local_tags(store_, reference_);
            throw make_error(ErrorKind::not_found, "tag does not exist: {}", reference_.familiar());
        }
        image_ = std::move(*found);
        if (options_.platform && image_.kind == store::ImageKind::image &&
            !image_.platform.satisfies(*options_.platform))
            throw make_error(
                ErrorKind::not_found,
                "image with reference {} was found but its platform ({}) does not match the specified "
                "platform ({})",
                reference_.familiar(), image_.platform.text(), options_.platform->text());
        if (image_.manifest && store_.blobs().protect(*job_.lease, *image_.manifest)) {
            original_text_ = store_.blobs().read(*image_.manifest);
            original_ = spec::parse_manifest(original_text_);
        }
        if (image_.kind == store::ImageKind::artifact && !original_)
            throw make_error(ErrorKind::not_found, "the manifest of {} is not in the store",
                             reference_.familiar());
        job_.oci = options_.compression == store::Compression::zstd ||
                   (original_ && original_->mediaType != spec::media::kDockerManifest);
        job_.keep_plain = original_ && !options_.compression;
        layers_.resize(image_.layers.size());
        for (size_t i = 0; i < layers_.size(); ++i) {
            PushLayer& layer = layers_[i];
            layer.number = i + 1;
            layer.count = layers_.size();
            layer.diff_id = image_.layers[i].diff_id;
            if (i < image_.chain_ids.size()) layer.chain_id = image_.chain_ids[i];
            layer.known = image_.layers[i].blob;
        }
    }

    /// Whether the manifest that the image came with still tells the truth.
    bool original_fits() const {
        if (!original_ || original_->layers.size() != layers_.size()) return false;
        for (size_t i = 0; i < layers_.size(); ++i)
            if (original_->layers[i].digest != layers_[i].pushed.digest) return false;
        return true;
    }

    async::Task<void> push_config() {
        config_.digest = original_ ? original_->config.digest : image_.id;
        std::function<void()> look = [this] {
            auto info = store_.blobs().find(config_.digest);
            if (!info)
                throw make_error(ErrorKind::not_found, "config {} is not in the store",
                                 config_.digest.text());
            config_.size = static_cast<int64_t>(info->size);
        };
        co_await async::run_blocking(std::move(look));
        try {
            co_await push_blob(job_, config_);
        } catch (Error& error) {
            error.add_context("config " + config_.digest.text());
            throw;
        }
    }

    async::Task<void> push_manifest() {
        std::string text, type;
        if (original_fits()) {
            text = original_text_;
            type =
                original_->mediaType.empty() ? std::string(spec::media::kOciManifest) : original_->mediaType;
        } else {
            spec::Manifest manifest = build_manifest();
            text = spec::print_manifest(manifest);
            type = manifest.mediaType;
        }
        result_.manifest = original_fits() ? *image_.manifest : Digest::of(text);
        result_.size = text.size();
        try {
            co_await repository_.put_manifest(tag_of(), std::move(type), std::move(text));
        } catch (Error& error) {
            error.add_context("manifest " + result_.manifest.text());
            throw;
        }
    }

    std::string tag_of() const { return reference_.tag().value_or("latest"); }

    spec::Manifest build_manifest() const {
        bool oci = job_.oci || std::any_of(layers_.begin(), layers_.end(), [](const PushLayer& layer) {
                       return layer.pushed.mediaType == spec::media::kOciLayerZstd;
                   });
        spec::Manifest manifest;
        manifest.mediaType = oci ? spec::media::kOciManifest : spec::media::kDockerManifest;
        manifest.config = config_;
        manifest.config.mediaType = oci ? spec::media::kOciConfig : spec::media::kDockerConfig;
        for (const PushLayer& layer : layers_) {
            spec::Descriptor entry;
            entry.digest = layer.pushed.digest;
            entry.size = layer.pushed.size;
            entry.mediaType = layer_type_for(layer.pushed.mediaType, oci);
            manifest.layers.push_back(std::move(entry));
        }
        if (original_) manifest.annotations = original_->annotations;
        return manifest;
    }

    /// The same compression in the words of the manifest's kind.
    static std::string layer_type_for(const std::string& type, bool oci) {
        auto compression = store::compression_of(type);
        if (!compression) return type;
        return std::string(layer_media_type(*compression, oci));
    }

    store::Store& store_;
    spec::Reference reference_;
    PushOptions options_;
    Repository repository_;
    PushJob job_;
    store::Image image_;
    std::optional<spec::Manifest> original_;
    std::string original_text_;
    std::vector<PushLayer> layers_;
    spec::Descriptor config_;
    PushResult result_;
};

}  // namespace

std::vector<spec::Reference> local_tags(const store::Store& store, const spec::Reference& repository) {
    std::vector<spec::Reference> result;
    store::ListFilters filters;
    for (const store::Image& image : store.list(filters))
        for (const spec::Reference& tag : image.tags)
            if (tag.name() == repository.name()) result.push_back(tag);
    if (result.empty())
        throw make_error(ErrorKind::not_found, "An image does not exist locally with the tag: {}",
                         repository.familiar_name());
    std::sort(result.begin(), result.end());
    return result;
}

async::Task<PushResult> push_image(Client::State& client, store::Store& store, spec::Reference reference,
                                   Authorizer::Lookup credentials, PushOptions options) {
    std::string name = reference.familiar();
    try {
        ImagePush push(client, store, std::move(reference), std::move(credentials), std::move(options));
        PushResult result = co_await push.run();
        co_return result;
    } catch (const ResponseError& error) {
        throw make_error(error.kind(), "pushing {}: {}", name, error.what());
    } catch (Error& error) {
        std::string_view said = error.what();
        // Docker's own words for what is not here name the image.
        if (!said.starts_with("tag does not exist") && !said.starts_with("An image does not exist"))
            error.add_context("pushing " + name);
        throw;
    }
}

}  // namespace berth::registry
