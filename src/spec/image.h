// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/describe/class.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/json.h"
#include "spec/platform.h"

/// OCI image-spec 1.1 (manifest.md, image-index.md, config.md) and Docker's image manifest version 2,
/// schema 2.
namespace berth::spec {

namespace media {
inline constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kOciLayer = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view kOciLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view kOciLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr std::string_view kOciEmpty = "application/vnd.oci.empty.v1+json";
inline constexpr std::string_view kDockerList = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerManifestV1 = "application/vnd.docker.distribution.manifest.v1+json";
inline constexpr std::string_view kDockerManifestV1Signed =
    "application/vnd.docker.distribution.manifest.v1+prettyjws";
inline constexpr std::string_view kDockerConfig = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view kDockerLayer = "application/vnd.docker.image.rootfs.diff.tar";
inline constexpr std::string_view kDockerLayerZstd = "application/vnd.docker.image.rootfs.diff.tar.zstd";
inline constexpr std::string_view kDockerLayerGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip";
inline constexpr std::string_view kDockerForeignLayer =
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
}  // namespace media

enum class MediaKind { index, manifest, config, layer, foreign_layer, schema1, other };
/// What a media type is; parameters after ';' are ignored.
MediaKind media_kind(std::string_view media_type);

struct Descriptor {
    std::string mediaType;
    Digest digest;
    int64_t size = 0;
    std::vector<std::string> urls;
    std::map<std::string, std::string> annotations;
    std::optional<Platform> platform;
    std::string artifactType;
    std::string data;
};
BOOST_DESCRIBE_STRUCT(Descriptor, (),
                      (mediaType, digest, size, urls, annotations, data, platform, artifactType))
constexpr bool json_omit_empty(const Descriptor*, std::string_view key) {
    return json::is_one_of(key, "urls", "annotations", "data", "platform", "artifactType");
}

struct Manifest {
    int schemaVersion = 2;
    std::string mediaType;
    std::string artifactType;
    Descriptor config;
    std::vector<Descriptor> layers;
    std::optional<Descriptor> subject;
    std::map<std::string, std::string> annotations;
};
BOOST_DESCRIBE_STRUCT(Manifest, (),
                      (schemaVersion, mediaType, artifactType, config, layers, subject, annotations))

struct Index {
    int schemaVersion = 2;
    std::string mediaType;
    std::string artifactType;
    std::vector<Descriptor> manifests;
    std::optional<Descriptor> subject;
    std::map<std::string, std::string> annotations;
};
BOOST_DESCRIBE_STRUCT(Index, (), (schemaVersion, mediaType, artifactType, manifests, subject, annotations))

/// The nearest entry to `wanted` (the first of equals), else the first image that names no platform, else
/// nothing. Attestation manifests (platform unknown/unknown, or told by their annotations) and artifacts are
/// never chosen.
const Descriptor* select_platform(const Index& index, const Platform& wanted);

struct Healthcheck {
    std::vector<std::string> Test;
    int64_t Interval = 0;  ///< ns, as all of these
    int64_t Timeout = 0;
    int64_t StartPeriod = 0;
    int64_t StartInterval = 0;
    int Retries = 0;
};
BOOST_DESCRIBE_STRUCT(Healthcheck, (), (Test, Interval, Timeout, StartPeriod, StartInterval, Retries))

/// What a container is run with: `config` of the image configuration, with Docker's additions.
struct ImageRunConfig {
    std::string Hostname, Domainname, User;
    std::map<std::string, json::Value> ExposedPorts;  ///< "80/tcp": {}
    std::vector<std::string> Env;
    std::optional<std::vector<std::string>> Entrypoint;
    std::optional<std::vector<std::string>> Cmd;
    std::optional<Healthcheck> Healthcheck_;  ///< wire: "Healthcheck"
    bool ArgsEscaped = false;
    std::map<std::string, json::Value> Volumes;
    std::string WorkingDir;
    std::vector<std::string> OnBuild;
    std::map<std::string, std::string> Labels;
    std::string StopSignal;
    std::optional<int> StopTimeout;
    std::vector<std::string> Shell;
};
BOOST_DESCRIBE_STRUCT(ImageRunConfig, (),
                      (Hostname, Domainname, User, ExposedPorts, Env, Entrypoint, Cmd, Healthcheck_,
                       ArgsEscaped, Volumes, WorkingDir, OnBuild, Labels, StopSignal, StopTimeout, Shell))

struct History {
    std::string created, author, created_by, comment;
    bool empty_layer = false;
};
BOOST_DESCRIBE_STRUCT(History, (), (created, author, created_by, comment, empty_layer))

struct RootFs {
    std::string type = "layers";
    std::vector<Digest> diff_ids;
};
BOOST_DESCRIBE_STRUCT(RootFs, (), (type, diff_ids))

struct ImageConfig {
    std::string created, author, architecture, variant, os;
    std::string os_version;
    ImageRunConfig config;
    RootFs rootfs;
    std::vector<History> history;
};
BOOST_DESCRIBE_STRUCT(ImageConfig, (),
                      (created, author, architecture, variant, os, os_version, config, rootfs, history))
constexpr std::string_view json_key(const ImageConfig*, std::string_view member) {
    return member == "os_version" ? "os.version" : member;
}

/// Each throws invalid_argument that names the field. Structure is checked too: media types and digests are
/// there, sizes >= 0, one kind for each document (one with both "layers" and "manifests" is refused, and so
/// is a media type of the other kind). At most 4 MiB of text, 10,000 descriptors. The number of layers that
/// `history` tells is not compared with that of diff_ids: builders leave it out or get it wrong, and Docker
/// takes them. What Berth does not know is dropped, so what is passed on are the original bytes.
Manifest parse_manifest(std::string_view text);
Index parse_index(std::string_view text);
ImageConfig parse_image_config(std::string_view text);

/// Compact JSON, keys in the specification's order, empty ones left out: same struct, same bytes.
std::string print_manifest(const Manifest& manifest);
std::string print_index(const Index& index);
std::string print_image_config(const ImageConfig& config);

/// Chain ids of a stack of diff ids (config.md, "Layer ChainID"): one for each prefix.
std::vector<Digest> chain_ids(const std::vector<Digest>& diff_ids);

}  // namespace berth::spec
