// SPDX-License-Identifier: Apache-2.0
#include "registry/server/manifest_document.h"

#include <algorithm>

#include "base/json.h"
#include "base/strings.h"
#include "registry/server/api_error.h"
#include "spec/image.h"

namespace berth::registry::server {

namespace {

ApiError manifest_invalid(std::string_view why) {
    return ApiError(400, "MANIFEST_INVALID", "manifest invalid", json::Value(why));
}

std::string_view without_parameters(std::string_view media_type) {
    return trim(media_type.substr(0, media_type.find(';')));
}

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    return result;
}

/// The media type of the request, else the document's own, else what the document looks like.
std::string media_type_of(std::string_view content_type, std::string_view text) {
    std::string given(without_parameters(content_type));
    json::Value document = json::parse(text);
    const json::Object* object = document.if_object();
    if (object == nullptr) throw manifest_invalid("not a JSON object");
    std::string own;
    if (const json::Value* member = object->if_contains("mediaType");
        member != nullptr && member->is_string())
        own = member->as_string();
    if (given.empty() || given == "application/json") {
        if (!own.empty()) return own;
        return std::string(object->contains("manifests") ? spec::media::kOciIndex
                                                         : spec::media::kOciManifest);
    }
    if (!own.empty() && own != given)
        throw manifest_invalid(
            fmt::format("the document's mediaType is {}, the request's Content-Type {}", own, given));
    return given;
}

void add_reference(Manifest& manifest, const spec::Descriptor& descriptor, bool is_manifest) {
    bool elsewhere =
        !descriptor.urls.empty() || spec::media_kind(descriptor.mediaType) == spec::MediaKind::foreign_layer;
    manifest.references.push_back({descriptor.digest, is_manifest, !elsewhere});
}

void fill(Manifest& manifest, const spec::Manifest& document) {
    add_reference(manifest, document.config, false);
    for (const spec::Descriptor& layer : document.layers) add_reference(manifest, layer, false);
    // OCI distribution-spec, "Listing Referrers": without an artifactType the config's media type takes its
    // place.
    manifest.artifact_type =
        document.artifactType.empty() ? document.config.mediaType : document.artifactType;
    if (document.subject) manifest.subject = document.subject->digest;
    manifest.annotations = json::print(json::encode(document.annotations));
}

void fill(Manifest& manifest, const spec::Index& document) {
    for (const spec::Descriptor& entry : document.manifests) {
        spec::MediaKind kind = spec::media_kind(entry.mediaType);
        add_reference(manifest, entry, kind == spec::MediaKind::manifest || kind == spec::MediaKind::index);
    }
    manifest.artifact_type = document.artifactType;
    if (document.subject) manifest.subject = document.subject->digest;
    manifest.annotations = json::print(json::encode(document.annotations));
}

}  // namespace

Manifest read_manifest(std::string_view content_type, std::string_view text, const Digest& digest) {
    Manifest manifest;
    manifest.digest = digest;
    manifest.size = text.size();
    try {
        manifest.media_type = media_type_of(content_type, text);
        spec::MediaKind kind = spec::media_kind(manifest.media_type);
        if (kind == spec::MediaKind::index)
            fill(manifest, spec::parse_index(text));
        else if (kind == spec::MediaKind::manifest)
            fill(manifest, spec::parse_manifest(text));
        else
            throw manifest_invalid("no manifest's media type: " + manifest.media_type);
    } catch (const ApiError&) {
        throw;
    } catch (const Error& error) {
        throw manifest_invalid(error.what());
    }
    // One row for each digest, and the strictest wins.
    std::sort(manifest.references.begin(), manifest.references.end(), [](const auto& one, const auto& other) {
        return std::tie(one.digest, other.required) < std::tie(other.digest, one.required);
    });
    auto same = [](const auto& one, const auto& other) { return one.digest == other.digest; };
    manifest.references.erase(std::unique(manifest.references.begin(), manifest.references.end(), same),
                              manifest.references.end());
    return manifest;
}

Accepted::Accepted(const std::vector<std::string_view>& fields) {
    bool wildcard = false;
    for (std::string_view field : fields) {
        for (std::string_view entry : split(field, ',')) {
            std::string type = lower(without_parameters(entry));
            if (type.empty()) continue;
            if (type == "*/*" || type == "application/*" || type == "application/json") wildcard = true;
            types_.push_back(std::move(type));
        }
    }
    all_ = wildcard || types_.empty();
}

bool Accepted::takes(std::string_view media_type) const {
    return all_ || std::find(types_.begin(), types_.end(), lower(media_type)) != types_.end();
}

}  // namespace berth::registry::server
