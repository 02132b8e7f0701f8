// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "spec/api/container_views.h"

/// What the Engine API tells of images.
namespace berth::spec::api {

struct ManifestSize {
    int64_t Content = 0;  ///< compressed bytes in the store
    int64_t Total = 0;    ///< and what is unpacked
};
BOOST_DESCRIBE_STRUCT(ManifestSize, (), (Content, Total))

struct ManifestImageSize {
    int64_t Unpacked = 0;
};
BOOST_DESCRIBE_STRUCT(ManifestImageSize, (), (Unpacked))

struct ManifestImageData {
    spec::Platform Platform;
    Strings Containers;
    ManifestImageSize Size;
};
BOOST_DESCRIBE_STRUCT(ManifestImageData, (), (Platform, Containers, Size))

struct ManifestAttestationData {
    std::string For;
};
BOOST_DESCRIBE_STRUCT(ManifestAttestationData, (), (For))

/// One of an image index, with ?manifests=1.
struct ManifestSummary {
    std::string ID;
    spec::Descriptor Descriptor;
    bool Available = false;
    ManifestSize Size;
    std::string Kind;  ///< image, attestation, unknown
    std::optional<ManifestImageData> ImageData;
    std::optional<ManifestAttestationData> AttestationData;
};
BOOST_DESCRIBE_STRUCT(ManifestSummary, (),
                      (ID, Descriptor, Available, Size, Kind, ImageData, AttestationData))
constexpr bool json_omit_empty(const ManifestSummary*, std::string_view key) {
    return json::is_one_of(key, "ImageData", "AttestationData");
}

struct ImageSummary {
    int64_t Containers = -1;  ///< -1: not counted
    int64_t Created = 0;      ///< seconds since the epoch
    std::string Id;
    OptionalStringMap Labels;
    std::string ParentId;
    std::optional<spec::Descriptor> Descriptor;  ///< since 1.48
    std::vector<ManifestSummary> Manifests;      ///< since 1.47, if asked for
    Strings RepoDigests;
    Strings RepoTags;
    int64_t SharedSize = -1;             ///< bytes; -1: not computed
    int64_t Size = 0;                    ///< bytes
    std::optional<int64_t> VirtualSize;  ///< before 1.44; equals Size
};
BOOST_DESCRIBE_STRUCT(ImageSummary, (),
                      (Containers, Created, Id, Labels, ParentId, Descriptor, Manifests, RepoDigests,
                       RepoTags, SharedSize, Size, VirtualSize))
constexpr bool json_omit_empty(const ImageSummary*, std::string_view key) {
    return json::is_one_of(key, "Descriptor", "Manifests", "VirtualSize");
}

/// "Config" of an image as since 1.50; api/version.h adds what older versions showed.
struct ImageRunConfig {
    std::string User;
    StringSet ExposedPorts;
    Strings Env;
    Strings Entrypoint;
    Strings Cmd;
    StringSet Volumes;
    std::string WorkingDir;
    StringMap Labels;
    std::string StopSignal;
    bool ArgsEscaped = false;
    std::optional<HealthConfig> Healthcheck;
    Strings OnBuild;
    Strings Shell;
};
BOOST_DESCRIBE_STRUCT(ImageRunConfig, (),
                      (User, ExposedPorts, Env, Entrypoint, Cmd, Volumes, WorkingDir, Labels, StopSignal,
                       ArgsEscaped, Healthcheck, OnBuild, Shell))
constexpr bool json_omit_empty(const ImageRunConfig*, std::string_view) {
    return true;
}

struct ImageRootFs {
    std::string Type = "layers";
    Strings Layers;
};
BOOST_DESCRIBE_STRUCT(ImageRootFs, (), (Type, Layers))
constexpr bool json_omit_empty(const ImageRootFs*, std::string_view) {
    return true;
}

struct ImageMetadata {
    std::string LastTagTime{kZeroTime};
};
BOOST_DESCRIBE_STRUCT(ImageMetadata, (), (LastTagTime))

struct ImageInspect {
    std::string Id;
    Strings RepoTags;
    Strings RepoDigests;
    std::string Parent;
    std::string Comment;
    std::string Created;
    std::string DockerVersion;
    std::string Author;
    std::optional<ImageRunConfig> Config;
    std::string Architecture;
    std::string Variant;
    std::string Os;
    std::string OsVersion;
    int64_t Size = 0;                    ///< bytes
    std::optional<int64_t> VirtualSize;  ///< before 1.44; equals Size
    api::GraphDriver GraphDriver_;
    ImageRootFs RootFS;
    ImageMetadata Metadata;
    std::optional<spec::Descriptor> Descriptor;  ///< since 1.48
    std::vector<ManifestSummary> Manifests;      ///< since 1.48, if asked for
};
BOOST_DESCRIBE_STRUCT(ImageInspect, (),
                      (Id, RepoTags, RepoDigests, Parent, Comment, Created, DockerVersion, Author, Config,
                       Architecture, Variant, Os, OsVersion, Size, VirtualSize, GraphDriver_, RootFS,
                       Metadata, Descriptor, Manifests))
constexpr bool json_omit_empty(const ImageInspect*, std::string_view key) {
    return json::is_one_of(key, "Created", "Variant", "OsVersion", "VirtualSize", "Descriptor", "Manifests");
}

/// One of GET /images/{name}/history
struct HistoryItem {
    std::string Comment;
    int64_t Created = 0;  ///< seconds since the epoch
    std::string CreatedBy;
    std::string Id = "<missing>";
    int64_t Size = 0;
    OptionalStrings Tags;
};
BOOST_DESCRIBE_STRUCT(HistoryItem, (), (Comment, Created, CreatedBy, Id, Size, Tags))

/// One of DELETE /images/{name}: one of the two is set.
struct ImageDeleteItem {
    std::string Deleted;
    std::string Untagged;
};
BOOST_DESCRIBE_STRUCT(ImageDeleteItem, (), (Deleted, Untagged))
constexpr bool json_omit_empty(const ImageDeleteItem*, std::string_view) {
    return true;
}

struct ImagesPruneReport {
    std::optional<std::vector<ImageDeleteItem>> ImagesDeleted;
    uint64_t SpaceReclaimed = 0;
};
BOOST_DESCRIBE_STRUCT(ImagesPruneReport, (), (ImagesDeleted, SpaceReclaimed))

/// GET /distribution/{name}/json
struct DistributionInspect {
    spec::Descriptor Descriptor;
    std::vector<spec::Platform> Platforms;
};
BOOST_DESCRIBE_STRUCT(DistributionInspect, (), (Descriptor, Platforms))

struct ImageSearchResult {
    std::string description;
    bool is_automated = false;
    bool is_official = false;
    std::string name;
    int star_count = 0;
};
BOOST_DESCRIBE_STRUCT(ImageSearchResult, (), (description, is_automated, is_official, name, star_count))

json::Value encode_image_summary(const ImageSummary& image);
json::Value encode_image_inspect(const ImageInspect& image);
json::Value encode_history(const std::vector<HistoryItem>& history);
json::Value encode_image_delete_items(const std::vector<ImageDeleteItem>& items);
json::Value encode_images_prune_report(const ImagesPruneReport& report);
json::Value encode_distribution_inspect(const DistributionInspect& distribution);
json::Value encode_image_search_results(const std::vector<ImageSearchResult>& results);

}  // namespace berth::spec::api
