// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "spec/api/types.h"

/// What a container is made of: the requests that create and change it. ContainerConfig, HostConfig and
/// EndpointSettings are also what is kept on disk and what inspect shows.
namespace berth::spec::api {

// --- what runs
// -----------------------------------------------------------------------------------------------

struct HealthConfig {
    Strings Test;          ///< {"NONE"}, {"CMD", args…}, {"CMD-SHELL", command}; {} inherits
    int64_t Interval = 0;  ///< ns, as all of these; 0 inherits
    int64_t Timeout = 0;
    int64_t StartPeriod = 0;
    int64_t StartInterval = 0;
    int Retries = 0;
    bool operator==(const HealthConfig&) const = default;
};
BOOST_DESCRIBE_STRUCT(HealthConfig, (), (Test, Interval, Timeout, StartPeriod, StartInterval, Retries))
constexpr bool json_omit_empty(const HealthConfig*, std::string_view) {
    return true;
}

/// "Config": what does not depend on the host.
struct ContainerConfig {
    std::string Hostname;
    std::string Domainname;
    std::string User;
    bool AttachStdin = false;
    bool AttachStdout = false;
    bool AttachStderr = false;
    StringSet ExposedPorts;  ///< "80/tcp"
    bool Tty = false;
    bool OpenStdin = false;
    bool StdinOnce = false;
    OptionalStrings Env;
    OptionalStrings Cmd;
    std::optional<HealthConfig> Healthcheck;
    bool ArgsEscaped = false;
    std::string Image;
    std::optional<StringSet> Volumes;
    std::string WorkingDir;
    OptionalStrings Entrypoint;
    bool NetworkDisabled = false;
    std::string MacAddress;  ///< before 1.44; later in EndpointSettings
    OptionalStrings OnBuild;
    OptionalStringMap Labels;
    std::string StopSignal;
    std::optional<int> StopTimeout;  ///< seconds; negative: no limit
    Strings Shell;
};
BOOST_DESCRIBE_STRUCT(ContainerConfig, (),
                      (Hostname, Domainname, User, AttachStdin, AttachStdout, AttachStderr, ExposedPorts, Tty,
                       OpenStdin, StdinOnce, Env, Cmd, Healthcheck, ArgsEscaped, Image, Volumes, WorkingDir,
                       Entrypoint, NetworkDisabled, MacAddress, OnBuild, Labels, StopSignal, StopTimeout,
                       Shell))
constexpr bool json_omit_empty(const ContainerConfig*, std::string_view key) {
    return json::is_one_of(key, "ExposedPorts", "Healthcheck", "ArgsEscaped", "NetworkDisabled", "MacAddress",
                           "StopSignal", "StopTimeout", "Shell");
}

// --- mounts
// --------------------------------------------------------------------------------------------------

struct BindOptions {
    std::string Propagation;
    bool NonRecursive = false;
    bool CreateMountpoint = false;
    bool ReadOnlyNonRecursive = false;
    bool ReadOnlyForceRecursive = false;
};
BOOST_DESCRIBE_STRUCT(BindOptions, (),
                      (Propagation, NonRecursive, CreateMountpoint, ReadOnlyNonRecursive,
                       ReadOnlyForceRecursive))
constexpr bool json_omit_empty(const BindOptions*, std::string_view) {
    return true;
}

struct MountDriver {
    std::string Name;
    StringMap Options;
};
BOOST_DESCRIBE_STRUCT(MountDriver, (), (Name, Options))
constexpr bool json_omit_empty(const MountDriver*, std::string_view) {
    return true;
}

struct VolumeOptions {
    bool NoCopy = false;
    StringMap Labels;
    std::string Subpath;
    std::optional<MountDriver> DriverConfig;
};
BOOST_DESCRIBE_STRUCT(VolumeOptions, (), (NoCopy, Labels, Subpath, DriverConfig))
constexpr bool json_omit_empty(const VolumeOptions*, std::string_view) {
    return true;
}

struct ImageMountOptions {
    std::string Subpath;
};
BOOST_DESCRIBE_STRUCT(ImageMountOptions, (), (Subpath))
constexpr bool json_omit_empty(const ImageMountOptions*, std::string_view) {
    return true;
}

struct TmpfsOptions {
    int64_t SizeBytes = 0;
    uint32_t Mode = 0;             ///< Go's os.FileMode; the permission bits count
    std::vector<Strings> Options;  ///< {"exec"}, {"uid", "1000"}
};
BOOST_DESCRIBE_STRUCT(TmpfsOptions, (), (SizeBytes, Mode, Options))
constexpr bool json_omit_empty(const TmpfsOptions*, std::string_view) {
    return true;
}

/// One of HostConfig.Mounts (`--mount`).
struct Mount {
    std::string Type;  ///< bind, volume, tmpfs, image, npipe, cluster
    std::string Source;
    std::string Target;
    bool ReadOnly = false;
    std::string Consistency;
    std::optional<api::BindOptions> BindOptions_;
    std::optional<api::VolumeOptions> VolumeOptions_;
    std::optional<ImageMountOptions> ImageOptions;
    std::optional<api::TmpfsOptions> TmpfsOptions_;
    std::optional<Empty> ClusterOptions;
};
BOOST_DESCRIBE_STRUCT(Mount, (),
                      (Type, Source, Target, ReadOnly, Consistency, BindOptions_, VolumeOptions_,
                       ImageOptions, TmpfsOptions_, ClusterOptions))
constexpr bool json_omit_empty(const Mount*, std::string_view) {
    return true;
}

// --- resources
// -----------------------------------------------------------------------------------------------

struct WeightDevice {
    std::string Path;
    uint16_t Weight = 0;
};
BOOST_DESCRIBE_STRUCT(WeightDevice, (), (Path, Weight))

struct ThrottleDevice {
    std::string Path;
    uint64_t Rate = 0;  ///< bytes or operations in a second
};
BOOST_DESCRIBE_STRUCT(ThrottleDevice, (), (Path, Rate))

struct DeviceMapping {
    std::string PathOnHost;
    std::string PathInContainer;
    std::string CgroupPermissions;  ///< "rwm"
};
BOOST_DESCRIBE_STRUCT(DeviceMapping, (), (PathOnHost, PathInContainer, CgroupPermissions))

struct DeviceRequest {
    std::string Driver;
    int Count = 0;  ///< -1: all
    OptionalStrings DeviceIDs;
    std::optional<std::vector<Strings>> Capabilities;
    OptionalStringMap Options;
};
BOOST_DESCRIBE_STRUCT(DeviceRequest, (), (Driver, Count, DeviceIDs, Capabilities, Options))

struct Ulimit {
    std::string Name;
    int64_t Hard = 0;
    int64_t Soft = 0;
};
BOOST_DESCRIBE_STRUCT(Ulimit, (), (Name, Hard, Soft))

/// The part of HostConfig that an update may change. Zero, "" and null are "not set".
struct Resources {
    int64_t CpuShares = 0;
    int64_t Memory = 0;  ///< bytes
    int64_t NanoCpus = 0;
    std::string CgroupParent;
    uint16_t BlkioWeight = 0;
    std::optional<std::vector<WeightDevice>> BlkioWeightDevice;
    std::optional<std::vector<ThrottleDevice>> BlkioDeviceReadBps;
    std::optional<std::vector<ThrottleDevice>> BlkioDeviceWriteBps;
    std::optional<std::vector<ThrottleDevice>> BlkioDeviceReadIOps;
    std::optional<std::vector<ThrottleDevice>> BlkioDeviceWriteIOps;
    int64_t CpuPeriod = 0;  ///< µs, as all of CpuQuota and CpuRealtime…
    int64_t CpuQuota = 0;
    int64_t CpuRealtimePeriod = 0;
    int64_t CpuRealtimeRuntime = 0;
    std::string CpusetCpus;
    std::string CpusetMems;
    std::optional<std::vector<DeviceMapping>> Devices;
    OptionalStrings DeviceCgroupRules;
    std::optional<std::vector<DeviceRequest>> DeviceRequests;
    int64_t KernelMemory = 0;  ///< before 1.42; has no effect
    int64_t KernelMemoryTCP = 0;
    int64_t MemoryReservation = 0;
    int64_t MemorySwap = 0;  ///< memory and swap together; -1: no limit
    std::optional<int64_t> MemorySwappiness;
    std::optional<bool> OomKillDisable;
    std::optional<int64_t> PidsLimit;  ///< 0, -1: no limit
    std::optional<std::vector<Ulimit>> Ulimits;
    int64_t CpuCount = 0;  ///< Windows, as all below
    int64_t CpuPercent = 0;
    uint64_t IOMaximumIOps = 0;
    uint64_t IOMaximumBandwidth = 0;
};
BOOST_DESCRIBE_STRUCT(Resources, (),
                      (CpuShares, Memory, NanoCpus, CgroupParent, BlkioWeight, BlkioWeightDevice,
                       BlkioDeviceReadBps, BlkioDeviceWriteBps, BlkioDeviceReadIOps, BlkioDeviceWriteIOps,
                       CpuPeriod, CpuQuota, CpuRealtimePeriod, CpuRealtimeRuntime, CpusetCpus, CpusetMems,
                       Devices, DeviceCgroupRules, DeviceRequests, KernelMemory, KernelMemoryTCP,
                       MemoryReservation, MemorySwap, MemorySwappiness, OomKillDisable, PidsLimit, Ulimits,
                       CpuCount, CpuPercent, IOMaximumIOps, IOMaximumBandwidth))
constexpr bool json_omit_empty(const Resources*, std::string_view key) {
    return json::is_one_of(key, "KernelMemory", "KernelMemoryTCP");
}

// --- the host's part
// -----------------------------------------------------------------------------------------

struct LogConfig {
    std::string Type;
    OptionalStringMap Config;
};
BOOST_DESCRIBE_STRUCT(LogConfig, (), (Type, Config))

struct RestartPolicy {
    std::string Name;  ///< "", no, always, unless-stopped, on-failure
    int MaximumRetryCount = 0;
    bool operator==(const RestartPolicy&) const = default;
};
BOOST_DESCRIBE_STRUCT(RestartPolicy, (), (Name, MaximumRetryCount))

struct PortBinding {
    std::string HostIp;
    std::string HostPort;  ///< "8080", "8000-8010"
    bool operator==(const PortBinding&) const = default;
};
BOOST_DESCRIBE_STRUCT(PortBinding, (), (HostIp, HostPort))

/// "80/tcp" to what it is published as; null: exposed only.
using PortMap = std::map<std::string, std::optional<std::vector<PortBinding>>>;

struct HostConfig : Resources {
    OptionalStrings Binds;
    std::string ContainerIDFile;
    api::LogConfig LogConfig_;
    std::string NetworkMode;
    std::optional<PortMap> PortBindings;
    api::RestartPolicy RestartPolicy_;
    bool AutoRemove = false;
    std::string VolumeDriver;
    OptionalStrings VolumesFrom;
    std::vector<uint64_t> ConsoleSize{0, 0};  ///< height, width; always two
    StringMap Annotations;
    OptionalStrings CapAdd;
    OptionalStrings CapDrop;
    std::string CgroupnsMode;
    OptionalStrings Dns;
    OptionalStrings DnsOptions;
    OptionalStrings DnsSearch;
    OptionalStrings ExtraHosts;
    OptionalStrings GroupAdd;
    std::string IpcMode;
    std::string Cgroup;
    OptionalStrings Links;
    int OomScoreAdj = 0;
    std::string PidMode;
    bool Privileged = false;
    bool PublishAllPorts = false;
    bool ReadonlyRootfs = false;
    OptionalStrings SecurityOpt;
    StringMap StorageOpt;
    StringMap Tmpfs;  ///< path to options
    std::string UTSMode;
    std::string UsernsMode;
    int64_t ShmSize = 0;  ///< bytes; 0: the daemon's default
    StringMap Sysctls;
    std::string Runtime;
    std::string Isolation;  ///< Windows
    std::vector<Mount> Mounts;
    OptionalStrings MaskedPaths;    ///< null: Docker's own list
    OptionalStrings ReadonlyPaths;  ///< null: Docker's own list
    std::optional<bool> Init;       ///< null: the daemon's default
};
BOOST_DESCRIBE_STRUCT(HostConfig, (Resources),
                      (Binds, ContainerIDFile, LogConfig_, NetworkMode, PortBindings, RestartPolicy_,
                       AutoRemove, VolumeDriver, VolumesFrom, ConsoleSize, Annotations, CapAdd, CapDrop,
                       CgroupnsMode, Dns, DnsOptions, DnsSearch, ExtraHosts, GroupAdd, IpcMode, Cgroup, Links,
                       OomScoreAdj, PidMode, Privileged, PublishAllPorts, ReadonlyRootfs, SecurityOpt,
                       StorageOpt, Tmpfs, UTSMode, UsernsMode, ShmSize, Sysctls, Runtime, Isolation, Mounts,
                       MaskedPaths, ReadonlyPaths, Init))
constexpr bool json_omit_empty(const HostConfig*, std::string_view key) {
    return json_omit_empty(static_cast<const Resources*>(nullptr), key) ||
           json::is_one_of(key, "Annotations", "StorageOpt", "Tmpfs", "Sysctls", "Runtime", "Mounts", "Init");
}

// --- networks
// ------------------------------------------------------------------------------------------------

struct EndpointIpamConfig {
    std::string IPv4Address;
    std::string IPv6Address;
    Strings LinkLocalIPs;
};
BOOST_DESCRIBE_STRUCT(EndpointIpamConfig, (), (IPv4Address, IPv6Address, LinkLocalIPs))
constexpr bool json_omit_empty(const EndpointIpamConfig*, std::string_view) {
    return true;
}

/// A container in a network: what was asked for, and below "NetworkID" what it got.
struct EndpointSettings {
    std::optional<EndpointIpamConfig> IPAMConfig;
    OptionalStrings Links;
    OptionalStrings Aliases;
    std::string MacAddress;
    OptionalStringMap DriverOpts;
    int GwPriority = 0;  ///< since 1.48
    std::string NetworkID;
    std::string EndpointID;
    std::string Gateway;
    std::string IPAddress;
    int IPPrefixLen = 0;
    std::string IPv6Gateway;
    std::string GlobalIPv6Address;
    int GlobalIPv6PrefixLen = 0;
    OptionalStrings DNSNames;  ///< since 1.44
};
BOOST_DESCRIBE_STRUCT(EndpointSettings, (),
                      (IPAMConfig, Links, Aliases, MacAddress, DriverOpts, GwPriority, NetworkID, EndpointID,
                       Gateway, IPAddress, IPPrefixLen, IPv6Gateway, GlobalIPv6Address, GlobalIPv6PrefixLen,
                       DNSNames))

struct NetworkingConfig {
    std::map<std::string, std::optional<EndpointSettings>> EndpointsConfig;
};
BOOST_DESCRIBE_STRUCT(NetworkingConfig, (), (EndpointsConfig))

// --- requests
// ------------------------------------------------------------------------------------------------

/// POST /containers/create
struct ContainerCreateRequest : ContainerConfig {
    std::optional<api::HostConfig> HostConfig_;
    std::optional<api::NetworkingConfig> NetworkingConfig_;
};
BOOST_DESCRIBE_STRUCT(ContainerCreateRequest, (ContainerConfig), (HostConfig_, NetworkingConfig_))
constexpr bool json_omit_empty(const ContainerCreateRequest*, std::string_view key) {
    return json_omit_empty(static_cast<const ContainerConfig*>(nullptr), key) ||
           json::is_one_of(key, "HostConfig", "NetworkingConfig");
}

/// POST /containers/{id}/update: zero and "" leave what is.
struct UpdateRequest : Resources {
    api::RestartPolicy RestartPolicy_;
};
BOOST_DESCRIBE_STRUCT(UpdateRequest, (Resources), (RestartPolicy_))
constexpr bool json_omit_empty(const UpdateRequest*, std::string_view key) {
    return json_omit_empty(static_cast<const Resources*>(nullptr), key);
}

/// POST /containers/{id}/exec
struct ExecCreateRequest {
    std::string User;
    bool Privileged = false;
    bool Tty = false;
    std::optional<std::vector<uint64_t>> ConsoleSize;  ///< height, width
    bool AttachStdin = false;
    bool AttachStdout = false;
    bool AttachStderr = false;
    bool Detach = false;  ///< ignored: ExecStartRequest tells
    std::string DetachKeys;
    OptionalStrings Env;
    std::string WorkingDir;
    OptionalStrings Cmd;
};
BOOST_DESCRIBE_STRUCT(ExecCreateRequest, (),
                      (User, Privileged, Tty, ConsoleSize, AttachStdin, AttachStdout, AttachStderr, Detach,
                       DetachKeys, Env, WorkingDir, Cmd))

/// POST /exec/{id}/start
struct ExecStartRequest {
    bool Detach = false;
    bool Tty = false;
    std::optional<std::vector<uint64_t>> ConsoleSize;  ///< height, width
};
BOOST_DESCRIBE_STRUCT(ExecStartRequest, (), (Detach, Tty, ConsoleSize))

// --- codec
// ---------------------------------------------------------------------------------------------------

/// Each throws invalid_argument that names the field. "Cmd", "Entrypoint", "Shell" and "Healthcheck.Test" may
/// be a string instead of a list: one element.
ContainerCreateRequest decode_container_create_request(const json::Value& from);
ContainerConfig decode_container_config(const json::Value& from);
HostConfig decode_host_config(const json::Value& from);
EndpointSettings decode_endpoint_settings(const json::Value& from);
NetworkingConfig decode_networking_config(const json::Value& from);
UpdateRequest decode_update_request(const json::Value& from);
ExecCreateRequest decode_exec_create_request(const json::Value& from);
ExecStartRequest decode_exec_start_request(const json::Value& from);

json::Value encode_container_config(const ContainerConfig& config);
json::Value encode_host_config(const HostConfig& config);
json::Value encode_endpoint_settings(const EndpointSettings& settings);
json::Value encode_networking_config(const NetworkingConfig& config);
json::Value encode_container_create_request(const ContainerCreateRequest& request);

}  // namespace berth::spec::api
