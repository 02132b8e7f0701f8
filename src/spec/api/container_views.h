// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "spec/api/container_config.h"
#include "spec/image.h"

/// What the Engine API tells of containers and execs.
namespace berth::spec::api {

// --- inspect
// -------------------------------------------------------------------------------------------------

struct HealthcheckResult {
    std::string Start;  ///< RFC 3339
    std::string End;
    int ExitCode = 0;
    std::string Output;
};
BOOST_DESCRIBE_STRUCT(HealthcheckResult, (), (Start, End, ExitCode, Output))

struct Health {
    std::string Status;  ///< starting, healthy, unhealthy
    int FailingStreak = 0;
    std::optional<std::vector<HealthcheckResult>> Log;  ///< the last five, oldest first
};
BOOST_DESCRIBE_STRUCT(Health, (), (Status, FailingStreak, Log))

struct ContainerState {
    std::string Status;  ///< created, running, paused, restarting, removing, exited, dead
    bool Running = false;
    bool Paused = false;
    bool Restarting = false;
    bool OOMKilled = false;
    bool Dead = false;
    int Pid = 0;
    int ExitCode = 0;
    std::string Error;
    std::string StartedAt{kZeroTime};
    std::string FinishedAt{kZeroTime};
    std::optional<api::Health> Health_;
};
BOOST_DESCRIBE_STRUCT(ContainerState, (),
                      (Status, Running, Paused, Restarting, OOMKilled, Dead, Pid, ExitCode, Error, StartedAt,
                       FinishedAt, Health_))
constexpr bool json_omit_empty(const ContainerState*, std::string_view key) {
    return key == "Health";
}

/// A mount as it is in the container.
struct MountPoint {
    std::string Type;
    std::string Name;  ///< of the volume
    std::string Source;
    std::string Destination;
    std::string Driver;  ///< of the volume
    std::string Mode;
    bool RW = true;
    std::string Propagation;
};
BOOST_DESCRIBE_STRUCT(MountPoint, (), (Type, Name, Source, Destination, Driver, Mode, RW, Propagation))
constexpr bool json_omit_empty(const MountPoint*, std::string_view key) {
    return json::is_one_of(key, "Type", "Name", "Driver");
}

struct GraphDriver {
    OptionalStringMap Data;
    std::string Name;
};
BOOST_DESCRIBE_STRUCT(GraphDriver, (), (Data, Name))

struct SecondaryAddress {
    std::string Addr;
    int PrefixLen = 0;
};
BOOST_DESCRIBE_STRUCT(SecondaryAddress, (), (Addr, PrefixLen))

struct NetworkSettings {
    std::string Bridge;
    std::string SandboxID;
    std::string SandboxKey;
    std::optional<PortMap> Ports;
    bool HairpinMode = false;
    std::string LinkLocalIPv6Address;
    int LinkLocalIPv6PrefixLen = 0;
    std::optional<std::vector<SecondaryAddress>> SecondaryIPAddresses;
    std::optional<std::vector<SecondaryAddress>> SecondaryIPv6Addresses;
    std::string EndpointID;  ///< this to MacAddress: of the default bridge
    std::string Gateway;
    std::string GlobalIPv6Address;
    int GlobalIPv6PrefixLen = 0;
    std::string IPAddress;
    int IPPrefixLen = 0;
    std::string IPv6Gateway;
    std::string MacAddress;
    std::map<std::string, EndpointSettings> Networks;
};
BOOST_DESCRIBE_STRUCT(NetworkSettings, (),
                      (Bridge, SandboxID, SandboxKey, Ports, HairpinMode, LinkLocalIPv6Address,
                       LinkLocalIPv6PrefixLen, SecondaryIPAddresses, SecondaryIPv6Addresses, EndpointID,
                       Gateway, GlobalIPv6Address, GlobalIPv6PrefixLen, IPAddress, IPPrefixLen, IPv6Gateway,
                       MacAddress, Networks))

struct ContainerInspect {
    std::string Id;
    std::string Created;
    std::string Path;
    Strings Args;
    ContainerState State;
    std::string Image;  ///< its id
    std::string ResolvConfPath;
    std::string HostnamePath;
    std::string HostsPath;
    std::string LogPath;
    std::string Name;  ///< "/web"
    int RestartCount = 0;
    std::string Driver;
    std::string Platform = "linux";
    std::string MountLabel;
    std::string ProcessLabel;
    std::string AppArmorProfile;
    OptionalStrings ExecIDs;  ///< null: none
    api::HostConfig HostConfig_;
    api::GraphDriver GraphDriver_;
    std::optional<int64_t> SizeRw;  ///< only if asked for
    std::optional<int64_t> SizeRootFs;
    std::vector<MountPoint> Mounts;
    ContainerConfig Config;
    api::NetworkSettings NetworkSettings_;
    std::optional<Descriptor> ImageManifestDescriptor;  ///< since 1.48
};
BOOST_DESCRIBE_STRUCT(ContainerInspect, (),
                      (Id, Created, Path, Args, State, Image, ResolvConfPath, HostnamePath, HostsPath,
                       LogPath, Name, RestartCount, Driver, Platform, MountLabel, ProcessLabel,
                       AppArmorProfile, ExecIDs, HostConfig_, GraphDriver_, SizeRw, SizeRootFs, Mounts,
                       Config, NetworkSettings_, ImageManifestDescriptor))
constexpr bool json_omit_empty(const ContainerInspect*, std::string_view key) {
    return json::is_one_of(key, "SizeRw", "SizeRootFs", "ImageManifestDescriptor");
}

// --- list
// ----------------------------------------------------------------------------------------------------

struct Port {
    std::string IP;
    uint16_t PrivatePort = 0;
    uint16_t PublicPort = 0;
    std::string Type;  ///< tcp, udp, sctp
};
BOOST_DESCRIBE_STRUCT(Port, (), (IP, PrivatePort, PublicPort, Type))
constexpr bool json_omit_empty(const Port*, std::string_view key) {
    return json::is_one_of(key, "IP", "PublicPort");
}

struct SummaryHostConfig {
    std::string NetworkMode;
    StringMap Annotations;  ///< since 1.46
};
BOOST_DESCRIBE_STRUCT(SummaryHostConfig, (), (NetworkMode, Annotations))
constexpr bool json_omit_empty(const SummaryHostConfig*, std::string_view) {
    return true;
}

struct SummaryNetworkSettings {
    std::map<std::string, EndpointSettings> Networks;
};
BOOST_DESCRIBE_STRUCT(SummaryNetworkSettings, (), (Networks))

struct ContainerSummary {
    std::string Id;
    Strings Names;  ///< "/web"; links as "/other/alias"
    std::string Image;
    std::string ImageID;
    std::optional<Descriptor> ImageManifestDescriptor;  ///< since 1.48
    std::string Command;
    int64_t Created = 0;  ///< seconds since the epoch
    std::vector<Port> Ports;
    std::optional<int64_t> SizeRw;  ///< only if asked for; left out where 0 too
    std::optional<int64_t> SizeRootFs;
    StringMap Labels;
    std::string State;
    std::string Status;  ///< "Up 2 minutes (healthy)"
    SummaryHostConfig HostConfig;
    SummaryNetworkSettings NetworkSettings_;
    std::vector<MountPoint> Mounts;
};
BOOST_DESCRIBE_STRUCT(ContainerSummary, (),
                      (Id, Names, Image, ImageID, ImageManifestDescriptor, Command, Created, Ports, SizeRw,
                       SizeRootFs, Labels, State, Status, HostConfig, NetworkSettings_, Mounts))
constexpr bool json_omit_empty(const ContainerSummary*, std::string_view key) {
    return json::is_one_of(key, "SizeRw", "SizeRootFs", "ImageManifestDescriptor");
}

// --- small answers
// -------------------------------------------------------------------------------------------

struct CreateResponse {
    std::string Id;
    Strings Warnings;
};
BOOST_DESCRIBE_STRUCT(CreateResponse, (), (Id, Warnings))

struct ContainerUpdateResponse {
    OptionalStrings Warnings;
};
BOOST_DESCRIBE_STRUCT(ContainerUpdateResponse, (), (Warnings))

struct WaitError {
    std::string Message;
};
BOOST_DESCRIBE_STRUCT(WaitError, (), (Message))
constexpr bool json_omit_empty(const WaitError*, std::string_view) {
    return true;
}

struct WaitResponse {
    int64_t StatusCode = 0;
    std::optional<WaitError> Error;
};
BOOST_DESCRIBE_STRUCT(WaitResponse, (), (StatusCode, Error))
constexpr bool json_omit_empty(const WaitResponse*, std::string_view key) {
    return key == "Error";
}

struct TopResponse {
    std::vector<Strings> Processes;
    Strings Titles;
};
BOOST_DESCRIBE_STRUCT(TopResponse, (), (Processes, Titles))

struct Change {
    int Kind = 0;  ///< 0 modified, 1 added, 2 deleted
    std::string Path;
};
BOOST_DESCRIBE_STRUCT(Change, (), (Kind, Path))

struct ExecProcessConfig {
    bool tty = false;
    std::string entrypoint;
    Strings arguments;
    std::optional<bool> privileged;
    std::string user;
};
BOOST_DESCRIBE_STRUCT(ExecProcessConfig, (), (tty, entrypoint, arguments, privileged, user))
constexpr bool json_omit_empty(const ExecProcessConfig*, std::string_view key) {
    return json::is_one_of(key, "privileged", "user");
}

struct ExecInspect {
    std::string ID;
    bool Running = false;
    std::optional<int> ExitCode;  ///< null until it has ended
    ExecProcessConfig ProcessConfig;
    bool OpenStdin = false;
    bool OpenStderr = false;
    bool OpenStdout = false;
    bool CanRemove = false;
    std::string ContainerID;
    std::optional<std::string> DetachKeys;  ///< the bytes of the keys in base64
    int Pid = 0;
};
BOOST_DESCRIBE_STRUCT(ExecInspect, (),
                      (ID, Running, ExitCode, ProcessConfig, OpenStdin, OpenStderr, OpenStdout, CanRemove,
                       ContainerID, DetachKeys, Pid))

struct PruneReport {
    OptionalStrings ContainersDeleted;
    uint64_t SpaceReclaimed = 0;
};
BOOST_DESCRIBE_STRUCT(PruneReport, (), (ContainersDeleted, SpaceReclaimed))

/// X-Docker-Container-Path-Stat, in base64 of JSON.
struct PathStat {
    std::string name;
    int64_t size = 0;
    uint32_t mode = 0;  ///< Go's os.FileMode
    std::string mtime;  ///< RFC 3339
    std::string linkTarget;
};
BOOST_DESCRIBE_STRUCT(PathStat, (), (name, size, mode, mtime, linkTarget))

// --- stats
// ---------------------------------------------------------------------------------------------------

struct PidsStats {
    uint64_t current = 0;
    uint64_t limit = 0;
};
BOOST_DESCRIBE_STRUCT(PidsStats, (), (current, limit))
constexpr bool json_omit_empty(const PidsStats*, std::string_view) {
    return true;
}

struct BlkioStatEntry {
    uint64_t major = 0;
    uint64_t minor = 0;
    std::string op;
    uint64_t value = 0;
};
BOOST_DESCRIBE_STRUCT(BlkioStatEntry, (), (major, minor, op, value))

using BlkioStatEntries = std::optional<std::vector<BlkioStatEntry>>;

struct BlkioStats {
    BlkioStatEntries io_service_bytes_recursive;
    BlkioStatEntries io_serviced_recursive;
    BlkioStatEntries io_queue_recursive;
    BlkioStatEntries io_service_time_recursive;
    BlkioStatEntries io_wait_time_recursive;
    BlkioStatEntries io_merged_recursive;
    BlkioStatEntries io_time_recursive;
    BlkioStatEntries sectors_recursive;
};
BOOST_DESCRIBE_STRUCT(BlkioStats, (),
                      (io_service_bytes_recursive, io_serviced_recursive, io_queue_recursive,
                       io_service_time_recursive, io_wait_time_recursive, io_merged_recursive,
                       io_time_recursive, sectors_recursive))

struct CpuUsage {
    uint64_t total_usage = 0;            ///< ns, as all of these
    std::vector<uint64_t> percpu_usage;  ///< cgroup v1 only
    uint64_t usage_in_kernelmode = 0;
    uint64_t usage_in_usermode = 0;
};
BOOST_DESCRIBE_STRUCT(CpuUsage, (), (total_usage, percpu_usage, usage_in_kernelmode, usage_in_usermode))
constexpr bool json_omit_empty(const CpuUsage*, std::string_view key) {
    return key == "percpu_usage";
}

struct ThrottlingData {
    uint64_t periods = 0;
    uint64_t throttled_periods = 0;
    uint64_t throttled_time = 0;  ///< ns
};
BOOST_DESCRIBE_STRUCT(ThrottlingData, (), (periods, throttled_periods, throttled_time))

struct CpuStats {
    CpuUsage cpu_usage;
    uint64_t system_cpu_usage = 0;  ///< ns of all CPUs of the host
    uint32_t online_cpus = 0;
    ThrottlingData throttling_data;
};
BOOST_DESCRIBE_STRUCT(CpuStats, (), (cpu_usage, system_cpu_usage, online_cpus, throttling_data))
constexpr bool json_omit_empty(const CpuStats*, std::string_view key) {
    return json::is_one_of(key, "system_cpu_usage", "online_cpus");
}

struct MemoryStats {
    uint64_t usage = 0;
    uint64_t max_usage = 0;
    std::map<std::string, uint64_t> stats;
    uint64_t failcnt = 0;
    uint64_t limit = 0;
};
BOOST_DESCRIBE_STRUCT(MemoryStats, (), (usage, max_usage, stats, failcnt, limit))
constexpr bool json_omit_empty(const MemoryStats*, std::string_view) {
    return true;
}

struct StorageStats {
    uint64_t read_count_normalized = 0;
    uint64_t read_size_bytes = 0;
    uint64_t write_count_normalized = 0;
    uint64_t write_size_bytes = 0;
};
BOOST_DESCRIBE_STRUCT(StorageStats, (),
                      (read_count_normalized, read_size_bytes, write_count_normalized, write_size_bytes))
constexpr bool json_omit_empty(const StorageStats*, std::string_view) {
    return true;
}

struct NetworkStats {
    uint64_t rx_bytes = 0;
    uint64_t rx_packets = 0;
    uint64_t rx_errors = 0;
    uint64_t rx_dropped = 0;
    uint64_t tx_bytes = 0;
    uint64_t tx_packets = 0;
    uint64_t tx_errors = 0;
    uint64_t tx_dropped = 0;
};
BOOST_DESCRIBE_STRUCT(NetworkStats, (),
                      (rx_bytes, rx_packets, rx_errors, rx_dropped, tx_bytes, tx_packets, tx_errors,
                       tx_dropped))

struct StatsResponse {
    std::string name;  ///< "/web"
    std::string id;
    std::string read{kZeroTime};
    std::string preread{kZeroTime};
    PidsStats pids_stats;
    BlkioStats blkio_stats;
    uint32_t num_procs = 0;  ///< Windows
    StorageStats storage_stats;
    CpuStats cpu_stats;
    CpuStats precpu_stats;  ///< of the sample before; all zero for one-shot
    MemoryStats memory_stats;
    std::map<std::string, NetworkStats> networks;
};
BOOST_DESCRIBE_STRUCT(StatsResponse, (),
                      (name, id, read, preread, pids_stats, blkio_stats, num_procs, storage_stats, cpu_stats,
                       precpu_stats, memory_stats, networks))
constexpr bool json_omit_empty(const StatsResponse*, std::string_view key) {
    return json::is_one_of(key, "name", "id", "networks");
}

// --- codec
// ---------------------------------------------------------------------------------------------------

json::Value encode_container_inspect(const ContainerInspect& container);
json::Value encode_container_summary(const ContainerSummary& container);
/// As print(encode_container_summary()), added to `text`: lists are long.
void append_container_summary(std::string& text, const ContainerSummary& container);
json::Value encode_stats(const StatsResponse& stats);
json::Value encode_mount_point(const MountPoint& mount);
json::Value encode_network_settings(const NetworkSettings& settings);
json::Value encode_create_response(const CreateResponse& response);
json::Value encode_container_update_response(const ContainerUpdateResponse& response);
json::Value encode_wait_response(const WaitResponse& response);
json::Value encode_top_response(const TopResponse& response);
/// null where there is none, as Docker writes it.
json::Value encode_changes(const std::vector<Change>& changes);
json::Value encode_exec_inspect(const ExecInspect& exec);
json::Value encode_prune_report(const PruneReport& report);
json::Value encode_path_stat(const PathStat& stat);

/// For clients of other engines, and tests.
ContainerInspect decode_container_inspect(const json::Value& from);
ContainerSummary decode_container_summary(const json::Value& from);
ExecInspect decode_exec_inspect(const json::Value& from);
StatsResponse decode_stats(const json::Value& from);

/// Kept on disk beside the container's record.
MountPoint decode_mount_point(const json::Value& from);

}  // namespace berth::spec::api
