// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "spec/api/types.h"

/// Volumes in the Engine API.
namespace berth::spec::api {

struct VolumeUsage {
    int64_t RefCount = -1;  ///< -1: not known
    int64_t Size = -1;      ///< bytes; -1: not known
};
BOOST_DESCRIBE_STRUCT(VolumeUsage, (), (RefCount, Size))

struct Volume {
    std::string CreatedAt;  ///< RFC 3339, seconds
    std::string Driver;
    OptionalStringMap Labels;
    std::string Mountpoint;
    std::string Name;
    OptionalStringMap Options;
    std::string Scope = "local";
    StringMap Status;
    std::optional<VolumeUsage> UsageData;  ///< only in df
};
BOOST_DESCRIBE_STRUCT(Volume, (),
                      (CreatedAt, Driver, Labels, Mountpoint, Name, Options, Scope, Status, UsageData))
constexpr bool json_omit_empty(const Volume*, std::string_view key) {
    return json::is_one_of(key, "CreatedAt", "Status", "UsageData");
}

struct VolumeListResponse {
    std::vector<Volume> Volumes;
    OptionalStrings Warnings;
};
BOOST_DESCRIBE_STRUCT(VolumeListResponse, (), (Volumes, Warnings))

/// POST /volumes/create
struct VolumeCreateRequest {
    std::string Name;    ///< "": an anonymous volume
    std::string Driver;  ///< "": local
    OptionalStringMap DriverOpts;
    OptionalStringMap Labels;
    std::optional<json::Value> ClusterVolumeSpec;
};
BOOST_DESCRIBE_STRUCT(VolumeCreateRequest, (), (Name, Driver, DriverOpts, Labels, ClusterVolumeSpec))

struct VolumesPruneReport {
    OptionalStrings VolumesDeleted;
    uint64_t SpaceReclaimed = 0;
};
BOOST_DESCRIBE_STRUCT(VolumesPruneReport, (), (VolumesDeleted, SpaceReclaimed))

VolumeCreateRequest decode_volume_create_request(const json::Value& from);
json::Value encode_volume(const Volume& volume);
json::Value encode_volume_list(const VolumeListResponse& list);
json::Value encode_volumes_prune_report(const VolumesPruneReport& report);

}  // namespace berth::spec::api
