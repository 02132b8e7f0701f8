// SPDX-License-Identifier: Apache-2.0
#include "registry/client/pull.h"

#include "base/strings.h"

namespace berth::registry {

namespace {

constexpr unsigned kMaxIndexDepth = 4;
constexpr size_t kMaxConfig = 8u << 20;

/// A document of the image that goes into the store as it came.
struct Document {
    Digest digest;
    std::string content;
};

void put_document(store::Store& store, store::Lease& lease, const Document& document) {
    store::BlobStore& blobs = store.blobs();
    if (document.digest.algorithm() == "sha256") {
        blobs.put(lease, document.content);
        return;
    }
    if (blobs.protect(lease, document.digest)) return;
    auto ingest = blobs.ingest(lease, std::string(document.digest.hex()), document.content.size(),
                               std::chrono::seconds(30));
    if (!ingest)
        throw make_error(ErrorKind::unavailable, "{} is being written elsewhere", document.digest.text());
    ingest->write_at(0, sys::bytes_of(document.content));
    ingest->commit(document.digest, true);
}

Error schema1_error(const spec::Reference& reference) {
    return make_error(ErrorKind::invalid_argument,
                      "[DEPRECATION NOTICE] Docker Image Format v1 and Docker Image manifest version 2, "
                      "schema 1 support is "
                      "disabled by default and will be removed in an upcoming release. Suggest the author of "
                      "{} to upgrade the "
                      "image to the OCI Format or Docker Image manifest v2, schema 2. More information at "
                      "https://docs.docker.com/go/deprecated-image-specs/",
                      reference.text());
}

bool is_image_config(const spec::Manifest& manifest) {
    const std::string& type = manifest.config.mediaType;
    if (spec::media_kind(type) == spec::MediaKind::config) return true;
    // Old registries lost the type.
    return manifest.artifactType.empty() && (type.empty() || type == "application/octet-stream");
}

class ImagePull {
  public:
    ImagePull(Client::State& client, store::Store& store, spec::Reference reference,
              Authorizer::Lookup credentials, PullOptions options)
        : client_(client),
          store_(store),
          reference_(std::move(reference)),
          options_(std::move(options)),
          repository_(client.transport, reference_, Endpoints::Purpose::pull, std::move(credentials)),
          job_{client, store, repository_, options_.progress} {}

    async::Task<PullResult> run() {
        co_await repository_.open();
        ManifestContent found = co_await resolve_manifest(repository_, reference_);
        top_ = found.descriptor.digest;
        // Docker names a tag by itself, and a digest with all of its name.
        say("Pulling from " + reference_.path(),
            reference_.digest() ? reference_.with_digest(top_).text() : tag_or_digest(reference_));
        try {
            co_await choose(std::move(found));
            co_await read_config();
            if (!present_) co_await bring_layers();
        } catch (const ResponseError& error) {
            throw Error(error.kind(), fmt::format("pulling {}: {}", reference_.familiar(), error.what()));
        } catch (Error& error) {
            error.add_context("pulling " + reference_.familiar());
            throw;
        }
        std::function<PullResult()> work = [this] {
            PullResult added = add_to_store();
            job_.lease.reset();
            return added;
        };
        PullResult result = co_await async::run_blocking(std::move(work));
        say("Digest: " + top_.text());
        if (!options_.all_tags) say(pull_status(result.up_to_date, reference_));
        co_return result;
    }

  private:
    void say(std::string text, std::string id = {}) const {
        Progress told;
        told.id = std::move(id);
        told.text = std::move(text);
        job_.tell(std::move(told));
    }

    /// Goes down from an index to the manifest for the platform.
    async::Task<void> choose(ManifestContent found) {
        for (unsigned depth = 0; found.kind == spec::MediaKind::index; ++depth) {
            if (depth >= kMaxIndexDepth)
                throw make_error(ErrorKind::invalid_argument, "more than {} indexes within each other",
                                 kMaxIndexDepth);
            spec::Index index = with_context(found.descriptor.digest.text(),
                                             [&] { return spec::parse_index(found.content); });
            const spec::Descriptor* entry = spec::select_platform(index, options_.platform);
            if (!entry)
                throw make_error(ErrorKind::not_found,
                                 "no matching manifest for {} in the manifest list entries",
                                 options_.platform.text());
            spec::Descriptor chosen = *entry;
            indexes_.push_back(found.descriptor.digest);
            documents_.push_back({found.descriptor.digest, std::move(found.content)});
            found = co_await repository_.manifest(chosen.digest.text());
            if (found.descriptor.size != chosen.size)
                throw make_error(ErrorKind::invalid_argument,
                                 "manifest {} has {} bytes, not {} as its index says", chosen.digest.text(),
                                 found.descriptor.size, chosen.size);
        }
        if (found.kind == spec::MediaKind::schema1) throw schema1_error(reference_);
        if (found.kind != spec::MediaKind::manifest)
            throw make_error(ErrorKind::invalid_argument, "unsupported manifest media type {}",
                             quote(found.descriptor.mediaType));
        manifest_ =
            with_context(found.descriptor.digest.text(), [&] { return spec::parse_manifest(found.content); });
        descriptor_ = found.descriptor;
        documents_.push_back({found.descriptor.digest, std::move(found.content)});
        is_image_ = is_image_config(manifest_);
    }

    async::Task<void> read_config() {
        std::string content;
        try {
            content = co_await repository_.small_blob(manifest_.config, kMaxConfig);
        } catch (Error& error) {
            error.add_context("config " + manifest_.config.digest.text());
            throw;
        }
        if (is_image_) use_config(content);
        documents_.push_back({manifest_.config.digest, std::move(content)});
        make_layers();
        std::function<bool()> look = [this] {
            job_.lease.emplace(store_.blobs().lease("pull " + reference_.familiar()));
            return protect_present();
        };
        present_ = co_await async::run_blocking(std::move(look));
    }

    void use_config(const std::string& content) {
        spec::ImageConfig config = with_context("config " + manifest_.config.digest.text(),
                                                [&] { return spec::parse_image_config(content); });
        diff_ids_ = config.rootfs.diff_ids;
        if (diff_ids_.size() != manifest_.layers.size())
            throw make_error(
                ErrorKind::invalid_argument,
                "layers from manifest don't match image configuration: {} layers and {} diff_ids",
                manifest_.layers.size(), diff_ids_.size());
        chain_ids_ = spec::chain_ids(diff_ids_);
        if (!config.os.empty() && config.os != options_.platform.os)
            throw make_error(ErrorKind::invalid_argument,
                             "image operating system {} cannot be used on this platform", quote(config.os));
        spec::Platform actual;
        actual.os = config.os;
        actual.architecture = config.architecture;
        actual.variant = config.variant;
        if (options_.platform_given && indexes_.empty() && !actual.satisfies(options_.platform))
            throw make_error(
                ErrorKind::not_found,
                "image with reference {} was found but does not match the specified platform: wanted {}, "
                "actual: {}",
                reference_.familiar(), options_.platform.text(), actual.text());
    }

    void make_layers() {
        layers_.resize(manifest_.layers.size());
        for (size_t i = 0; i < layers_.size(); ++i) {
            PullLayer& layer = layers_[i];
            layer.number = i + 1;
            layer.count = layers_.size();
            layer.blob = manifest_.layers[i];
            layer.ready = std::make_unique<async::Event>(client_.context);
            if (!is_image_) continue;
            layer.diff_id = diff_ids_[i];
            layer.chain_id = chain_ids_[i];
            if (i == 0) continue;
            layer.parent = chain_ids_[i - 1];
            layer.parent_ready = layers_[i - 1].ready.get();
        }
    }

    /// An image that is here needs only its new name. Its layers are protected, in case that the old names go
    /// meanwhile.
    bool protect_present() {
        if (!is_image_ || !options_.unpack) return false;
        if (!store_.find(manifest_.config.digest.text())) return false;
        for (const Digest& chain_id : chain_ids_)
            if (!store_.snapshots().protect_layer(*job_.lease, chain_id)) return false;
        return true;
    }

    async::Task<void> bring_layers() {
        std::vector<async::Task<void>> tasks;
        for (PullLayer& layer : layers_)
            tasks.push_back(is_image_ && options_.unpack ? pull_layer(job_, layer) : pull_blob(job_, layer));
        co_await async::all_of(std::move(tasks));
    }

    PullResult add_to_store() {
        for (const Document& document : documents_) put_document(store_, *job_.lease, document);
        store::NewImage image;
        image.config = manifest_.config.digest;
        image.kind = is_image_ ? store::ImageKind::image : store::ImageKind::artifact;
        image.manifest = descriptor_;
        image.indexes = indexes_;
        for (const PullLayer& layer : layers_) image.layers.push_back({layer.diff_id, layer.blob});
        if (!reference_.digest()) image.names.push_back(reference_);
        image.names.push_back(reference_.with_digest(top_));
        std::optional<store::Image> before = store_.find(image.names.front().text());
        store::Image added = store_.add(*job_.lease, image);
        for (const PullLayer& layer : layers_) store_.record_blob_source(layer.blob.digest, reference_);
        PullResult result;
        result.manifest = top_;
        result.image = added.id;
        result.up_to_date = before && before->id == added.id;
        return result;
    }

    Client::State& client_;
    store::Store& store_;
    spec::Reference reference_;
    PullOptions options_;
    Repository repository_;
    PullJob job_;

    Digest top_;  ///< what the name points to: of an index or a manifest
    spec::Manifest manifest_;
    spec::Descriptor descriptor_;  ///< of the manifest
    std::vector<Digest> indexes_;
    std::vector<Document> documents_;
    std::vector<Digest> diff_ids_, chain_ids_;
    std::vector<PullLayer> layers_;
    bool is_image_ = true;  ///< else an artifact: kept, not unpacked
    bool present_ = false;
};

}  // namespace

std::string tag_or_digest(const spec::Reference& reference) {
    return reference.digest() ? reference.digest()->text() : reference.tag().value_or("latest");
}

std::string pull_status(bool up_to_date, const spec::Reference& reference) {
    return fmt::format("Status: {} for {}", up_to_date ? "Image is up to date" : "Downloaded newer image",
                       reference.familiar());
}

Error pull_error(const ResponseError& error, const spec::Reference& reference) {
    const std::string& code = error.registry_code();
    if (error.is_denied())
        return make_error(
            ErrorKind::not_found,
            "pull access denied for {}, repository does not exist or may require 'docker login': {}",
            reference.familiar_name(), error.what());
    if (code == "NAME_UNKNOWN")
        return make_error(ErrorKind::not_found, "repository {} not found: {}", reference.familiar_name(),
                          error.what());
    if (code == "MANIFEST_UNKNOWN" || error.status() == 404) {
        std::string_view why =
            code == "MANIFEST_UNKNOWN" ? error.what() : "manifest unknown: manifest unknown";
        return make_error(ErrorKind::not_found, "manifest for {} not found: {}", reference.familiar(), why);
    }
    return make_error(error.kind(), "pulling {}: {}", reference.familiar(), error.what());
}

async::Task<ManifestContent> resolve_manifest(Repository& repository, spec::Reference reference) {
    try {
        ManifestContent result = co_await repository.manifest(tag_or_digest(reference));
        co_return result;
    } catch (const ResponseError& error) {
        throw pull_error(error, reference);
    } catch (Error& error) {
        error.add_context("pulling " + reference.familiar());
        throw;
    }
}

async::Task<PullResult> pull_image(Client::State& client, store::Store& store, spec::Reference reference,
                                   Authorizer::Lookup credentials, PullOptions options) {
    std::optional<PullResult> result;
    std::exception_ptr failure;
    try {
        ImagePull pull(client, store, std::move(reference), std::move(credentials), std::move(options));
        result = co_await pull.run();
    } catch (const Error& error) {
        // What came from a registry whose content is wrong is of no use to a later attempt.
        if (error.kind() != ErrorKind::invalid_argument) throw;
        failure = std::current_exception();
    }
    if (failure) {
        std::function<void()> collect = [&store] { store.collect(); };
        co_await async::run_blocking(std::move(collect));
        std::rethrow_exception(failure);
    }
    co_return std::move(*result);
}

}  // namespace berth::registry
