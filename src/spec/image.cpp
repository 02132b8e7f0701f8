// SPDX-License-Identifier: Apache-2.0
#include "spec/image.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "base/strings.h"

namespace berth::spec {

namespace {

constexpr size_t kMaxText = 4 << 20;
constexpr size_t kMaxDescriptors = 10'000;

[[noreturn]] void fail(std::string_view field, std::string_view problem) {
    throw make_error(ErrorKind::invalid_argument, "{}: {}", field, problem);
}

json::Value parse_object(std::string_view text) {
    if (text.size() > kMaxText)
        throw make_error(ErrorKind::invalid_argument, "the document has {} bytes, more than {}", text.size(),
                         kMaxText);
    json::Value value = json::parse(text);
    if (!value.is_object()) json::fail_type({}, "an object", value);
    return value;
}

void check_descriptor(const Descriptor& descriptor, const std::string& field) {
    if (descriptor.mediaType.empty()) fail(field + ".mediaType", "missing");
    if (descriptor.digest.empty()) fail(field + ".digest", "missing");
    if (descriptor.size < 0) fail(field + ".size", fmt::format("the number {} is negative", descriptor.size));
}

void check_descriptors(const std::vector<Descriptor>& list, const std::string& field) {
    if (list.size() > kMaxDescriptors)
        fail(field, fmt::format("{} entries, more than {}", list.size(), kMaxDescriptors));
    for (size_t i = 0; i < list.size(); ++i) check_descriptor(list[i], fmt::format("{}[{}]", field, i));
}

/// What manifests and indexes have in common: `own` is the key that makes the kind, `other` that of the other
/// kind, for which clients with other ideas of precedence would take the same bytes.
template <typename Document>
void check_kind(const json::Value& value, const Document& document, std::string_view own,
                std::string_view other, MediaKind kind) {
    const json::Object& object = value.get_object();
    if (document.schemaVersion != 2 || !object.contains("schemaVersion"))
        fail("schemaVersion", object.contains("schemaVersion")
                                  ? fmt::format("{} is not supported", document.schemaVersion)
                                  : "missing");
    if (object.contains(other) || object.contains("fsLayers"))
        fail(object.contains(other) ? other : "fsLayers",
             fmt::format("not allowed in a document with {}", quote(own)));
    if (!object.contains(own)) fail(own, "missing");
    if (!document.mediaType.empty() && media_kind(document.mediaType) != kind)
        fail("mediaType", fmt::format("unexpected {}", quote(document.mediaType)));
    if (document.subject) check_descriptor(*document.subject, "subject");
}

/// Members that Go leaves out where they are zero or false.
void drop_zeros(json::Object& object, std::initializer_list<std::string_view> keys) {
    for (std::string_view key : keys) {
        const json::Value* value = object.if_contains(key);
        if (value != nullptr && (*value == json::Value(0) || *value == json::Value(false)))
            object.stable_erase(key);
    }
}

/// The list `key` is required, so it is written though it is empty: before what may follow it.
json::Value with_list(json::Value value, std::string_view key) {
    json::Object result;
    for (auto& member : value.get_object()) {
        if (member.key() == "subject" || member.key() == "annotations") result.emplace(key, json::Array());
        result.emplace(member.key(), std::move(member.value()));
    }
    result.emplace(key, json::Array());  // nothing where it is there by now
    return result;
}

bool is_attestation(const Descriptor& entry) {
    auto type = entry.annotations.find("vnd.docker.reference.type");
    if (type != entry.annotations.end() && type->second == "attestation-manifest") return true;
    return entry.platform && entry.platform->os == "unknown" && entry.platform->architecture == "unknown";
}

}  // namespace

MediaKind media_kind(std::string_view media_type) {
    std::string_view type = trim(media_type.substr(0, media_type.find(';')));
    if (type == media::kOciIndex || type == media::kDockerList) return MediaKind::index;
    if (type == media::kOciManifest || type == media::kDockerManifest) return MediaKind::manifest;
    if (type == media::kOciConfig || type == media::kDockerConfig) return MediaKind::config;
    if (type == media::kDockerManifestV1 || type == media::kDockerManifestV1Signed) return MediaKind::schema1;
    if (type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.tar") ||
        type == media::kDockerForeignLayer)
        return MediaKind::foreign_layer;
    for (std::string_view layer : {media::kOciLayer, media::kOciLayerGzip, media::kOciLayerZstd,
                                   media::kDockerLayer, media::kDockerLayerGzip, media::kDockerLayerZstd})
        if (type == layer) return MediaKind::layer;
    return MediaKind::other;
}

const Descriptor* select_platform(const Index& index, const Platform& wanted) {
    const Descriptor* best = nullptr;
    const Descriptor* without_platform = nullptr;
    int best_distance = 0;
    for (const Descriptor& entry : index.manifests) {
        MediaKind kind = media_kind(entry.mediaType);
        bool is_image = kind == MediaKind::manifest || kind == MediaKind::index;
        if (!is_image || !entry.artifactType.empty() || is_attestation(entry)) continue;
        if (!entry.platform) {
            if (without_platform == nullptr) without_platform = &entry;
            continue;
        }
        std::optional<int> distance = entry.platform->distance(wanted);
        if (!distance || (best != nullptr && *distance >= best_distance)) continue;
        best = &entry;
        best_distance = *distance;
    }
    return best != nullptr ? best : without_platform;
}

Manifest parse_manifest(std::string_view text) {
    json::Value value = parse_object(text);
    auto manifest = json::decode<Manifest>(value);
    check_kind(value, manifest, "layers", "manifests", MediaKind::manifest);
    check_descriptor(manifest.config, "config");
    check_descriptors(manifest.layers, "layers");
    return manifest;
}

Index parse_index(std::string_view text) {
    json::Value value = parse_object(text);
    auto index = json::decode<Index>(value);
    check_kind(value, index, "manifests", "layers", MediaKind::index);
    check_descriptors(index.manifests, "manifests");
    return index;
}

ImageConfig parse_image_config(std::string_view text) {
    json::Value value = parse_object(text);
    auto config = json::decode<ImageConfig>(value);
    if (!value.get_object().contains("rootfs")) fail("rootfs", "missing");
    if (config.rootfs.type != "layers")
        fail("rootfs.type", fmt::format("unknown type {}", quote(config.rootfs.type)));
    if (config.rootfs.diff_ids.size() > kMaxDescriptors)
        fail("rootfs.diff_ids",
             fmt::format("{} entries, more than {}", config.rootfs.diff_ids.size(), kMaxDescriptors));
    for (size_t i = 0; i < config.rootfs.diff_ids.size(); ++i)
        if (config.rootfs.diff_ids[i].empty()) fail(fmt::format("rootfs.diff_ids[{}]", i), "missing");
    return config;
}

std::string print_manifest(const Manifest& manifest) {
    return json::print(with_list(json::encode(manifest), "layers"));
}

std::string print_index(const Index& index) {
    return json::print(with_list(json::encode(index), "manifests"));
}

std::string print_image_config(const ImageConfig& config) {
    json::Value value = json::encode(config);
    json::Object& run = value.at("config").get_object();
    drop_zeros(run, {"ArgsEscaped"});
    if (json::Value* check = run.if_contains("Healthcheck"))
        drop_zeros(check->get_object(), {"Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"});
    if (json::Value* history = value.get_object().if_contains("history"))
        for (json::Value& entry : history->get_array()) drop_zeros(entry.get_object(), {"empty_layer"});
    // Required, and empty for an image without layers.
    value.at("rootfs").get_object().emplace("diff_ids", json::Array());
    return json::print(value);
}

std::vector<Digest> chain_ids(const std::vector<Digest>& diff_ids) {
    std::vector<Digest> chain;
    chain.reserve(diff_ids.size());
    for (const Digest& diff_id : diff_ids)
        chain.push_back(chain.empty() ? diff_id : Digest::of(chain.back().text() + ' ' + diff_id.text()));
    return chain;
}

}  // namespace berth::spec
