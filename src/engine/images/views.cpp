// SPDX-License-Identifier: Apache-2.0
#include "engine/images/views.h"

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "engine/images/run_config.h"

namespace berth::engine {

namespace {

namespace api = spec::api;

std::vector<std::string> familiar(const std::vector<spec::Reference>& names) {
    std::vector<std::string> result;
    for (const spec::Reference& name : names) result.push_back(name.familiar());
    return result;
}

/// Bytes of file contents that an image has in layers of others too.
class SharedSizes {
  public:
    explicit SharedSizes(store::Store& store) {
        for (const store::LayerInfo& layer : store.snapshots().layers()) sizes_[layer.chain_id] = layer.size;
        store::ListFilters every;
        every.all = true;
        for (const store::Image& image : store.list(every))
            for (const Digest& chain_id : image.chain_ids) ++holders_[chain_id];
    }
    int64_t of(const store::Image& image) const {
        uint64_t shared = 0;
        for (const Digest& chain_id : image.chain_ids) {
            auto holders = holders_.find(chain_id);
            auto size = sizes_.find(chain_id);
            if (holders != holders_.end() && holders->second > 1 && size != sizes_.end())
                shared += size->second;
        }
        return static_cast<int64_t>(shared);
    }

  private:
    std::map<Digest, uint64_t> sizes_;
    std::map<Digest, int> holders_;
};

std::string member_text(const json::Object& document, std::string_view key) {
    const json::Value* found = document.if_contains(key);
    return found && found->is_string() ? std::string(found->as_string()) : std::string();
}

/// Docker names the folders of an image as if it were about to be mounted: the top layer's as the upper one.
api::GraphDriver graph_driver(store::Store& store, const store::Image& image, const std::string& driver) {
    constexpr std::string_view kLower = "lowerdir=";
    api::GraphDriver result;
    result.Name = driver;
    std::optional<Digest> top = image.top_chain_id();
    if (!top || !store.snapshots().find_layer(*top)) return result;
    store::MountPlan plan = store.snapshots().view_plan(*top);
    std::map<std::string, std::string> data;
    for (const std::string& option : plan.options) {
        if (!option.starts_with(kLower)) continue;
        std::string folders = option.substr(kLower.size());
        size_t colon = folders.find(':');
        data["UpperDir"] = folders.substr(0, colon);
        if (colon != std::string::npos) data["LowerDir"] = folders.substr(colon + 1);
    }
    if (data.empty()) data["UpperDir"] = plan.source;
    result.Data = std::move(data);
    return result;
}

void add_configuration(ImageDetails& details, store::Store& store, const store::Image& image) {
    spec::ImageConfig config = store.config(image);
    json::Value document = json::parse(store.blobs().read(image.id));
    const json::Object& fields = document.as_object();
    api::ImageInspect& view = details.image;
    view.Created = config.created;
    view.Author = config.author;
    view.Architecture = config.architecture;
    view.Variant = config.variant;
    view.Os = config.os.empty() ? "linux" : config.os;
    view.OsVersion = config.os_version;
    view.DockerVersion = member_text(fields, "docker_version");
    view.Comment = member_text(fields, "comment");
    if (view.Comment.empty() && !config.history.empty()) view.Comment = config.history.back().comment;
    view.Config = image_view_of(config.config);
    details.container = member_text(fields, "container");
    if (const json::Value* found = fields.if_contains("container_config"); found && found->is_object())
        details.container_config = *found;
}

}  // namespace

std::shared_ptr<const ImageDocuments::Document> ImageDocuments::of(const store::Image& image) {
    std::pair<Digest, Digest> key{image.id, image.manifest.value_or(Digest())};
    {
        std::lock_guard lock(mutex_);
        if (auto found = documents_.find(key); found != documents_.end()) return found->second;
    }
    auto document = std::make_shared<Document>();
    if (image.kind == store::ImageKind::image) document->labels = store_.config(image).config.Labels;
    if (image.manifest) {
        if (std::optional<store::BlobInfo> blob = store_.blobs().find(*image.manifest)) {
            spec::Manifest manifest = spec::parse_manifest(store_.blobs().read(*image.manifest));
            spec::Descriptor descriptor;
            descriptor.mediaType =
                manifest.mediaType.empty() ? std::string(spec::media::kOciManifest) : manifest.mediaType;
            descriptor.digest = *image.manifest;
            descriptor.size = static_cast<int64_t>(blob->size);
            document->manifest = std::move(descriptor);
        }
    }
    std::lock_guard lock(mutex_);
    if (documents_.size() >= kKept) documents_.clear();
    return documents_[key] = std::move(document);
}

std::shared_ptr<const ImageFacts> ImageDocuments::facts(store::Image image) {
    std::shared_ptr<const spec::ImageConfig> config;
    {
        std::lock_guard lock(mutex_);
        if (auto found = configs_.find(image.id); found != configs_.end()) config = found->second;
    }
    if (!config) {
        config = std::make_shared<const spec::ImageConfig>(store_.config(image));
        std::lock_guard lock(mutex_);
        if (configs_.size() >= kKeptFacts) configs_.clear();
        configs_[image.id] = config;
    }
    return std::make_shared<const ImageFacts>(ImageFacts{std::move(image), *config});
}

std::vector<api::ImageSummary> summarize(store::Store& store, ImageDocuments& documents,
                                         const std::vector<store::Image>& images,
                                         const SummaryOptions& options) {
    std::optional<SharedSizes> shared;
    if (options.shared_size) shared.emplace(store);
    std::vector<api::ImageSummary> result;
    result.reserve(images.size());
    for (const store::Image& image : images) {
        std::shared_ptr<const ImageDocuments::Document> document = documents.of(image);
        api::ImageSummary summary;
        summary.Id = image.id.text();
        summary.ParentId = image.parent ? image.parent->text() : "";
        summary.Created = image.created_ns / 1'000'000'000;
        summary.RepoTags = familiar(image.tags);
        summary.RepoDigests = familiar(image.digests);
        summary.Size = static_cast<int64_t>(image.size);
        if (!document->labels.empty()) summary.Labels = document->labels;
        summary.Descriptor = document->manifest;
        if (shared) summary.SharedSize = shared->of(image);
        if (options.containers) {
            auto use = options.users.find(summary.Id);
            summary.Containers = use == options.users.end() ? 0 : use->second.count;
        }
        if (options.manifests) summary.Manifests = manifests_of(store, documents, image, options.users);
        result.push_back(std::move(summary));
    }
    return result;
}

ImageDetails describe(store::Store& store, ImageDocuments& documents, const store::Image& image,
                      const std::string& driver) {
    ImageDetails details;
    api::ImageInspect& view = details.image;
    view.Id = image.id.text();
    view.RepoTags = familiar(image.tags);
    view.RepoDigests = familiar(image.digests);
    view.Parent = image.parent ? image.parent->text() : "";
    view.Size = static_cast<int64_t>(image.size);
    view.GraphDriver_ = graph_driver(store, image, driver);
    for (const store::LayerBlob& layer : image.layers)
        if (!layer.diff_id.empty()) view.RootFS.Layers.push_back(layer.diff_id.text());
    view.Metadata.LastTagTime = rfc3339(image.added_ns);
    view.Descriptor = documents.of(image)->manifest;
    if (image.kind == store::ImageKind::image) add_configuration(details, store, image);
    return details;
}

std::vector<api::ManifestSummary> manifests_of(store::Store& store, ImageDocuments& documents,
                                               const store::Image& image,
                                               const std::map<std::string, ImageUse>& users) {
    std::shared_ptr<const ImageDocuments::Document> document = documents.of(image);
    if (!document->manifest) return {};
    api::ManifestSummary summary;
    summary.ID = document->manifest->digest.text();
    summary.Descriptor = *document->manifest;
    summary.Available = true;
    summary.Size.Content = document->manifest->size;
    std::vector<Digest> blobs{image.id};
    for (const store::LayerBlob& layer : image.layers) blobs.push_back(layer.blob.digest);
    for (const Digest& digest : std::set<Digest>(blobs.begin(), blobs.end()))
        if (std::optional<store::BlobInfo> blob = digest.empty() ? std::nullopt : store.blobs().find(digest))
            summary.Size.Content += static_cast<int64_t>(blob->size);
    summary.Size.Total = summary.Size.Content;
    summary.Kind = "unknown";
    if (image.kind == store::ImageKind::image) {
        summary.Kind = "image";
        summary.Size.Total += static_cast<int64_t>(image.size);
        api::ManifestImageData data;
        data.Platform = image.platform;
        data.Size.Unpacked = static_cast<int64_t>(image.size);
        if (auto use = users.find(image.id.text()); use != users.end())
            data.Containers.push_back(use->second.container_id);
        summary.ImageData = std::move(data);
    }
    return {std::move(summary)};
}

void check_platform(const store::Image& image, const std::string& name,
                    const std::optional<spec::Platform>& wanted) {
    if (!wanted || image.kind != store::ImageKind::image || image.platform.satisfies(*wanted)) return;
    throw make_error(ErrorKind::not_found,
                     "image with reference {} was found but its platform ({}) does not match the specified "
                     "platform ({})",
                     name, image.platform.text(), wanted->text());
}

}  // namespace berth::engine
