// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "spec/api/container_views.h"
#include "spec/api/image_views.h"
#include "spec/api/network_views.h"
#include "spec/api/volume_views.h"

/// What the Engine API tells of the daemon itself: version, info, disk usage, events, logins.
namespace berth::spec::api {

// --- version
// -------------------------------------------------------------------------------------------------

struct VersionPlatform {
    std::string Name;
};
BOOST_DESCRIBE_STRUCT(VersionPlatform, (), (Name))

struct VersionComponent {
    std::string Name;
    std::string Version;
    StringMap Details;
};
BOOST_DESCRIBE_STRUCT(VersionComponent, (), (Name, Version, Details))
constexpr bool json_omit_empty(const VersionComponent*, std::string_view key) {
    return key == "Details";
}

struct Version {
    VersionPlatform Platform;
    std::vector<VersionComponent> Components;
    std::string Version_;
    std::string ApiVersion;
    std::string MinAPIVersion;
    std::string GitCommit;
    std::string GoVersion;
    std::string Os;
    std::string Arch;
    std::string KernelVersion;
    bool Experimental = false;
    std::string BuildTime;
};
BOOST_DESCRIBE_STRUCT(Version, (),
                      (Platform, Components, Version_, ApiVersion, MinAPIVersion, GitCommit, GoVersion, Os,
                       Arch, KernelVersion, Experimental, BuildTime))
constexpr bool json_omit_empty(const Version*, std::string_view key) {
    return json::is_one_of(key, "Components", "MinAPIVersion", "KernelVersion", "Experimental", "BuildTime");
}

// --- info
// ----------------------------------------------------------------------------------------------------

struct PluginsInfo {
    OptionalStrings Volume;
    OptionalStrings Network;
    OptionalStrings Authorization;
    OptionalStrings Log;
};
BOOST_DESCRIBE_STRUCT(PluginsInfo, (), (Volume, Network, Authorization, Log))

struct IndexInfo {
    std::string Name;
    Strings Mirrors;
    bool Secure = true;
    bool Official = false;
};
BOOST_DESCRIBE_STRUCT(IndexInfo, (), (Name, Mirrors, Secure, Official))

struct RegistryConfig {
    OptionalStrings AllowNondistributableArtifactsCIDRs;  ///< before 1.47, as the next
    OptionalStrings AllowNondistributableArtifactsHostnames;
    Strings InsecureRegistryCIDRs;
    std::map<std::string, IndexInfo> IndexConfigs;
    OptionalStrings Mirrors;
};
BOOST_DESCRIBE_STRUCT(RegistryConfig, (),
                      (AllowNondistributableArtifactsCIDRs, AllowNondistributableArtifactsHostnames,
                       InsecureRegistryCIDRs, IndexConfigs, Mirrors))
constexpr bool json_omit_empty(const RegistryConfig*, std::string_view key) {
    return key.starts_with("AllowNondistributable");
}

struct RuntimeInfo {
    std::string path;
    Strings runtimeArgs;
    StringMap status;
};
BOOST_DESCRIBE_STRUCT(RuntimeInfo, (), (path, runtimeArgs, status))
constexpr bool json_omit_empty(const RuntimeInfo*, std::string_view) {
    return true;
}

/// Of a node that is in no swarm.
struct SwarmInfo {
    std::string NodeID;
    std::string NodeAddr;
    std::string LocalNodeState = "inactive";
    bool ControlAvailable = false;
    std::string Error;
    std::optional<std::vector<Empty>> RemoteManagers;
};
BOOST_DESCRIBE_STRUCT(SwarmInfo, (),
                      (NodeID, NodeAddr, LocalNodeState, ControlAvailable, Error, RemoteManagers))

struct Commit {
    std::string ID;
    std::optional<std::string> Expected;  ///< before 1.49
};
BOOST_DESCRIBE_STRUCT(Commit, (), (ID, Expected))
constexpr bool json_omit_empty(const Commit*, std::string_view key) {
    return key == "Expected";
}

struct AddressPool {
    std::string Base;
    int Size = 0;
};
BOOST_DESCRIBE_STRUCT(AddressPool, (), (Base, Size))

struct FirewallInfo {
    std::string Driver;
    std::vector<Strings> Info;
};
BOOST_DESCRIBE_STRUCT(FirewallInfo, (), (Driver, Info))
constexpr bool json_omit_empty(const FirewallInfo*, std::string_view key) {
    return key == "Info";
}

/// What the kernel can do for containers.
struct KernelFeatures {
    bool MemoryLimit = false;
    bool SwapLimit = false;
    bool KernelMemory = false;  ///< before 1.42, as the next
    bool KernelMemoryTCP = false;
    bool CpuCfsPeriod = false;
    bool CpuCfsQuota = false;
    bool CPUShares = false;
    bool CPUSet = false;
    bool PidsLimit = false;
    bool IPv4Forwarding = false;
    bool BridgeNfIptables = false;  ///< before 1.49, as the next
    bool BridgeNfIp6tables = false;
    bool OomKillDisable = false;
};
BOOST_DESCRIBE_STRUCT(KernelFeatures, (),
                      (MemoryLimit, SwapLimit, KernelMemory, KernelMemoryTCP, CpuCfsPeriod, CpuCfsQuota,
                       CPUShares, CPUSet, PidsLimit, IPv4Forwarding, BridgeNfIptables, BridgeNfIp6tables,
                       OomKillDisable))

struct Info : KernelFeatures {
    std::string ID;
    int Containers = 0;
    int ContainersRunning = 0;
    int ContainersPaused = 0;
    int ContainersStopped = 0;
    int Images = 0;
    std::string Driver;
    std::vector<Strings> DriverStatus;  ///< pairs
    PluginsInfo Plugins;
    bool Debug = false;
    int NFd = 0;
    int NGoroutines = 0;
    std::string SystemTime;
    std::string LoggingDriver;
    std::string CgroupDriver;
    std::string CgroupVersion;
    int NEventsListener = 0;
    std::string KernelVersion;
    std::string OperatingSystem;
    std::string OSVersion;
    std::string OSType = "linux";
    std::string Architecture;
    std::string IndexServerAddress;
    RegistryConfig RegistryConfig_;
    int NCPU = 0;
    int64_t MemTotal = 0;
    std::optional<std::vector<Empty>> GenericResources;
    std::string DockerRootDir;
    std::string HttpProxy;
    std::string HttpsProxy;
    std::string NoProxy;
    std::string Name;
    Strings Labels;
    bool ExperimentalBuild = false;
    std::string ServerVersion;
    std::map<std::string, RuntimeInfo> Runtimes;
    std::string DefaultRuntime;
    SwarmInfo Swarm;
    bool LiveRestoreEnabled = false;
    std::string Isolation;
    std::string InitBinary;
    Commit ContainerdCommit;
    Commit RuncCommit;
    Commit InitCommit;
    Strings SecurityOptions;
    std::string ProductLicense;
    std::vector<AddressPool> DefaultAddressPools;
    std::optional<FirewallInfo> FirewallBackend;  ///< since 1.49
    Strings CDISpecDirs;
    OptionalStrings Warnings;
};
BOOST_DESCRIBE_STRUCT(Info, (KernelFeatures),
                      (ID, Containers, ContainersRunning, ContainersPaused, ContainersStopped, Images, Driver,
                       DriverStatus, Plugins, Debug, NFd, NGoroutines, SystemTime, LoggingDriver,
                       CgroupDriver, CgroupVersion, NEventsListener, KernelVersion, OperatingSystem,
                       OSVersion, OSType, Architecture, IndexServerAddress, RegistryConfig_, NCPU, MemTotal,
                       GenericResources, DockerRootDir, HttpProxy, HttpsProxy, NoProxy, Name, Labels,
                       ExperimentalBuild, ServerVersion, Runtimes, DefaultRuntime, Swarm, LiveRestoreEnabled,
                       Isolation, InitBinary, ContainerdCommit, RuncCommit, InitCommit, SecurityOptions,
                       ProductLicense, DefaultAddressPools, FirewallBackend, CDISpecDirs, Warnings))
constexpr bool json_omit_empty(const Info*, std::string_view key) {
    return json::is_one_of(key, "KernelMemory", "KernelMemoryTCP", "CgroupVersion", "ProductLicense",
                           "DefaultAddressPools", "FirewallBackend");
}

// --- disk usage
// ----------------------------------------------------------------------------------------------

struct BuildCache {
    std::string ID;
    Strings Parents;
    std::string Type;
    std::string Description;
    bool InUse = false;
    bool Shared = false;
    int64_t Size = 0;
    std::string CreatedAt;
    std::optional<std::string> LastUsedAt;
    int UsageCount = 0;
};
BOOST_DESCRIBE_STRUCT(BuildCache, (),
                      (ID, Parents, Type, Description, InUse, Shared, Size, CreatedAt, LastUsedAt,
                       UsageCount))
constexpr bool json_omit_empty(const BuildCache*, std::string_view key) {
    return key == "Parents";
}

/// What was not asked for (?type=) is null.
struct DiskUsage {
    int64_t LayersSize = 0;
    std::optional<std::vector<ImageSummary>> Images;
    std::optional<std::vector<ContainerSummary>> Containers;
    std::optional<std::vector<Volume>> Volumes;
    std::optional<std::vector<api::BuildCache>> BuildCache_;
    int64_t BuilderSize = 0;  ///< before 1.42
};
BOOST_DESCRIBE_STRUCT(DiskUsage, (), (LayersSize, Images, Containers, Volumes, BuildCache_, BuilderSize))
constexpr bool json_omit_empty(const DiskUsage*, std::string_view key) {
    return key == "BuilderSize";
}

struct BuildCachePruneReport {
    OptionalStrings CachesDeleted;
    uint64_t SpaceReclaimed = 0;
};
BOOST_DESCRIBE_STRUCT(BuildCachePruneReport, (), (CachesDeleted, SpaceReclaimed))

// --- events, logins
// ------------------------------------------------------------------------------------------

struct EventActor {
    std::string ID;
    StringMap Attributes;
};
BOOST_DESCRIBE_STRUCT(EventActor, (), (ID, Attributes))

/// Containers' and images' events also carry status, id and from: the form of before 1.22, still sent.
struct EventMessage {
    std::string status;
    std::string id;
    std::string from;
    std::string Type;  ///< container, image, volume, network, daemon …
    std::string Action;
    EventActor Actor;
    std::string scope = "local";
    int64_t time = 0;      ///< seconds since the epoch
    int64_t timeNano = 0;  ///< nanoseconds since the epoch
};
BOOST_DESCRIBE_STRUCT(EventMessage, (), (status, id, from, Type, Action, Actor, scope, time, timeNano))
constexpr bool json_omit_empty(const EventMessage*, std::string_view key) {
    return json::is_one_of(key, "status", "id", "from", "scope", "time", "timeNano");
}

/// POST /auth
struct AuthRequest {
    std::string username, password, email, serveraddress;
    std::string auth, identitytoken, registrytoken;
};
BOOST_DESCRIBE_STRUCT(AuthRequest, (),
                      (username, password, email, serveraddress, auth, identitytoken, registrytoken))

struct AuthResponse {
    std::string IdentityToken;
    std::string Status;
};
BOOST_DESCRIBE_STRUCT(AuthResponse, (), (IdentityToken, Status))

// --- codec
// ---------------------------------------------------------------------------------------------------

json::Value encode_version(const Version& version);
json::Value encode_info(const Info& info);
json::Value encode_disk_usage(const DiskUsage& usage);
json::Value encode_build_cache_prune_report(const BuildCachePruneReport& report);
json::Value encode_event(const EventMessage& event);
EventMessage decode_event(const json::Value& from);
AuthRequest decode_auth_request(const json::Value& from);
json::Value encode_auth_response(const AuthResponse& response);

}  // namespace berth::spec::api
