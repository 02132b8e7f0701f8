// SPDX-License-Identifier: Apache-2.0
#include "store/archive_images.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"
#include "store/archive_legacy.h"

namespace berth::store {

namespace {

constexpr int kMaxNesting = 4;
constexpr size_t kMaxManifests = 1000;
constexpr std::string_view kImageName = "io.containerd.image.name";
constexpr std::string_view kRefName = "org.opencontainers.image.ref.name";

template <typename... Args>
Error bad_archive(fmt::format_string<Args...> format, Args&&... args) {
    return make_error(ErrorKind::invalid_argument, format, std::forward<Args>(args)...);
}

/// manifest.json is an array of these.
struct DockerEntry {
    std::string Config;
    std::vector<std::string> RepoTags;
    std::vector<std::string> Layers;
};
BOOST_DESCRIBE_STRUCT(DockerEntry, (), (Config, RepoTags, Layers))

/// What annotations call an image. A reference name without repository ("latest") is no name.
std::vector<spec::Reference> names_of(const std::map<std::string, std::string>& annotations) {
    for (std::string_view key : {kImageName, kRefName}) {
        auto found = annotations.find(std::string(key));
        if (found == annotations.end()) continue;
        if (key == kRefName && found->second.find_first_of("/:") == std::string::npos) continue;
        std::optional<spec::Reference> name = spec::Reference::try_parse(found->second);
        if (!name) throw bad_archive("index.json: annotation {}: invalid name {}", key, quote(found->second));
        if (name->digest() && !name->tag()) continue;
        return {name->with_tag(name->tag().value_or("latest"))};
    }
    return {};
}

bool is_attestation(const spec::Descriptor& descriptor) {
    return descriptor.annotations.contains("vnd.docker.reference.type") ||
           (descriptor.platform && descriptor.platform->os == "unknown");
}

/// One manifest of the layout, and the way to it.
struct Candidate {
    spec::Descriptor descriptor;
    std::vector<Digest> indexes;
    std::vector<spec::Reference> names;
};

class Layout {
  public:
    Layout(const ArchiveFiles& files, const std::optional<spec::Platform>& platform)
        : files_(files), given_(platform), wanted_(platform.value_or(spec::Platform::host())) {}

    std::vector<ArchiveImage> images() const {
        std::vector<ArchiveImage> result;
        for (Candidate& candidate : chosen()) result.push_back(image(std::move(candidate)));
        merge(result);
        return result;
    }

    /// Every manifest that can be reached, by the digest of its config.
    std::map<Digest, ArchiveImage> all_images() const {
        std::map<Digest, ArchiveImage> result;
        std::vector<Candidate> found;
        gather(root(), {}, 0, found);
        for (Candidate& candidate : found) {
            if (!files_.find_blob(candidate.descriptor.digest))
                continue;  // another platform's, left out by who saved it
            ArchiveImage made = image(std::move(candidate));
            if (made.config) result.emplace(made.config->digest, std::move(made));
        }
        return result;
    }

  private:
    ArchiveFiles::File blob(const spec::Descriptor& descriptor) const {
        std::optional<ArchiveFiles::File> file = files_.find_blob(descriptor.digest);
        if (!file) throw bad_archive("blob {} is not in the archive", descriptor.digest.text());
        if (std::cmp_not_equal(file->size, descriptor.size))
            throw bad_archive("blob {} has {} bytes, its descriptor says {}", descriptor.digest.text(),
                              file->size, descriptor.size);
        return *file;
    }

    spec::Index root() const {
        return with_context("index.json",
                            [&] { return spec::parse_index(files_.text(files_.get("index.json"))); });
    }
    spec::Index nested(const spec::Descriptor& descriptor) const {
        return with_context(descriptor.digest.text(),
                            [&] { return spec::parse_index(files_.text(blob(descriptor))); });
    }

    void gather(const spec::Index& index, const std::vector<Digest>& path, int depth,
                std::vector<Candidate>& into) const {
        if (depth > kMaxNesting) throw bad_archive("indexes are nested too deeply");
        for (const spec::Descriptor& descriptor : index.manifests) {
            spec::MediaKind kind = spec::media_kind(descriptor.mediaType);
            if (kind == spec::MediaKind::index && files_.find_blob(descriptor.digest)) {
                std::vector<Digest> below = path;
                below.push_back(descriptor.digest);
                gather(nested(descriptor), below, depth + 1, into);
            } else if (kind == spec::MediaKind::manifest && !is_attestation(descriptor)) {
                into.push_back({descriptor, path, {}});
            }
            if (into.size() > kMaxManifests) throw bad_archive("more than {} manifests", kMaxManifests);
        }
    }

    /// Down to one manifest, by the platform.
    Candidate descend(spec::Descriptor descriptor) const {
        Candidate candidate;
        for (int depth = 0; spec::media_kind(descriptor.mediaType) == spec::MediaKind::index; ++depth) {
            if (depth > kMaxNesting) throw bad_archive("indexes are nested too deeply");
            spec::Index index = nested(descriptor);
            const spec::Descriptor* best = spec::select_platform(index, wanted_);
            if (!best)
                throw bad_archive("no image for platform {} in index {}", wanted_.text(),
                                  descriptor.digest.text());
            candidate.indexes.push_back(descriptor.digest);
            descriptor = *best;
        }
        if (spec::media_kind(descriptor.mediaType) != spec::MediaKind::manifest)
            throw bad_archive("{} is of the unknown media type {}", descriptor.digest.text(),
                              quote(descriptor.mediaType));
        if (given_ && descriptor.platform && !descriptor.platform->satisfies(wanted_))
            throw bad_archive("the image is for platform {}, not {}", descriptor.platform->text(),
                              wanted_.text());
        candidate.descriptor = std::move(descriptor);
        return candidate;
    }

    /// What index.json offers: each name once, and of those without name all that can run here.
    std::vector<Candidate> chosen() const {
        std::map<spec::Reference, spec::Index> named;
        std::vector<spec::Descriptor> nameless;
        for (const spec::Descriptor& descriptor : root().manifests) {
            if (is_attestation(descriptor)) continue;
            auto names = names_of(descriptor.annotations);
            if (names.empty()) nameless.push_back(descriptor);
            for (const spec::Reference& name : names) named[name].manifests.push_back(descriptor);
        }
        std::vector<Candidate> result;
        for (const auto& [name, index] : named) {
            with_context("image " + name.familiar(), [&] {
                const spec::Descriptor* best =
                    index.manifests.size() == 1 ? &index.manifests[0] : spec::select_platform(index, wanted_);
                if (!best) throw bad_archive("there is none for platform {}", wanted_.text());
                Candidate candidate = descend(*best);
                candidate.names = {name};
                result.push_back(std::move(candidate));
            });
        }
        size_t misses = 0;
        for (const spec::Descriptor& descriptor : nameless) {
            bool runs =
                nameless.size() == 1 || !descriptor.platform || descriptor.platform->satisfies(wanted_);
            runs ? result.push_back(descend(descriptor)) : static_cast<void>(++misses);
        }
        if (result.empty() && misses > 0)
            throw bad_archive("no image for platform {} in index.json", wanted_.text());
        return result;
    }

    ArchiveImage image(Candidate candidate) const {
        const spec::Descriptor& descriptor = candidate.descriptor;
        ArchiveImage made;
        made.what = candidate.names.empty() ? descriptor.digest.text() : candidate.names.front().familiar();
        with_context("image " + made.what, [&] {
            spec::Manifest manifest =
                with_context("manifest", [&] { return spec::parse_manifest(files_.text(blob(descriptor))); });
            made.config = blob(manifest.config);
            bool is_image = spec::media_kind(manifest.config.mediaType) == spec::MediaKind::config;
            made.kind = is_image ? ImageKind::image : ImageKind::artifact;
            for (const spec::Descriptor& layer : manifest.layers) blob(layer);
            made.layers = std::move(manifest.layers);
        });
        made.manifest = std::move(candidate.descriptor);
        made.indexes = std::move(candidate.indexes);
        made.names = std::move(candidate.names);
        return made;
    }

    /// One image under several names is one.
    static void merge(std::vector<ArchiveImage>& images) {
        std::vector<ArchiveImage> result;
        for (ArchiveImage& image : images) {
            auto same = std::ranges::find_if(result, [&](const ArchiveImage& other) {
                return other.manifest->digest == image.manifest->digest;
            });
            if (same == result.end())
                result.push_back(std::move(image));
            else
                same->names.insert(same->names.end(), image.names.begin(), image.names.end());
        }
        images = std::move(result);
    }

    const ArchiveFiles& files_;
    const std::optional<spec::Platform>& given_;
    spec::Platform wanted_;
};

/// The digest of a config whose name tells it must be that.
void check_config_name(const std::string& path, const ArchiveFiles::File& file) {
    std::string_view name = path;
    name.remove_prefix(name.rfind('/') + 1);
    if (name.ends_with(".json")) name.remove_suffix(5);
    auto said = Digest::try_parse(fmt::format("sha256:{}", name));
    if (said && *said != file.digest)
        throw bad_archive("the config {} has the digest {}", quote(path), file.digest.text());
}

std::vector<ArchiveImage> docker_images(const ArchiveFiles& files, const std::string& manifest_json,
                                        const std::optional<spec::Platform>& platform) {
    auto entries = with_context("manifest.json",
                                [&] { return json::decode_text<std::vector<DockerEntry>>(manifest_json); });
    if (entries.size() > kMaxManifests)
        throw bad_archive("manifest.json: more than {} images", kMaxManifests);
    std::map<Digest, ArchiveImage> manifests;
    if (files.find("index.json")) manifests = Layout(files, platform).all_images();

    std::vector<ArchiveImage> result;
    for (const DockerEntry& entry : entries) {
        std::string what = entry.RepoTags.empty() ? entry.Config : entry.RepoTags.front();
        with_context("image " + what, [&] {
            ArchiveFiles::File config = files.get(entry.Config);
            check_config_name(entry.Config, config);
            ArchiveImage image;
            if (auto found = manifests.find(config.digest);
                found != manifests.end() && found->second.layers.size() == entry.Layers.size()) {
                image = found->second;
            } else {
                image.config = config;
                for (const std::string& path : entry.Layers) {
                    ArchiveFiles::File file = files.get(path);
                    spec::Descriptor layer;
                    layer.digest = file.digest;
                    layer.size = static_cast<int64_t>(file.size);
                    image.layers.push_back(std::move(layer));
                }
            }
            image.what = what;
            image.names.clear();
            for (const std::string& tag : entry.RepoTags)
                image.names.push_back(spec::Reference::parse(tag).with_default_tag());
            result.push_back(std::move(image));
        });
    }
    return result;
}

std::vector<ArchiveImage> old_images(const ArchiveFiles& files, const std::string& repositories) {
    std::vector<ArchiveImage> result;
    for (LegacyImage& legacy : legacy_images(files, repositories)) {
        ArchiveImage image;
        image.what = legacy.names.front().familiar();
        image.config_text = std::move(legacy.config);
        image.names = std::move(legacy.names);
        for (const std::string& path : legacy.layers) {
            ArchiveFiles::File file = files.get(path);
            spec::Descriptor layer;
            layer.digest = file.digest;
            layer.size = static_cast<int64_t>(file.size);
            image.layers.push_back(std::move(layer));
        }
        result.push_back(std::move(image));
    }
    return result;
}

}  // namespace

std::vector<ArchiveImage> archive_images(const ArchiveFiles& files,
                                         const std::optional<spec::Platform>& platform) {
    if (auto file = files.find("manifest.json")) return docker_images(files, files.text(*file), platform);
    if (files.find("index.json")) return Layout(files, platform).images();
    if (auto file = files.find("repositories")) return old_images(files, files.text(*file));
    throw bad_archive("it is no image archive: it has no manifest.json, no index.json and no repositories");
}

}  // namespace berth::store
