// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The configuration of an OCI container, for Linux: config.json, and the state that hooks are given.
/// https://github.com/opencontainers/runtime-spec (config.md, config-linux.md, runtime.md), version 1.2 and
/// what 1.3 added for Linux. Value types only; members carry the names of the wire. What the values may be is
/// checked by runtime/validate.h, since the codec knows only their types.
namespace berth::spec {

inline constexpr const char* kRuntimeSpecVersion = "1.2.1";

struct Root {
    std::string path;
    bool readonly = false;
};
BOOST_DESCRIBE_STRUCT(Root, (), (path, readonly))

struct IdMapping {
    uint32_t containerID = 0;
    uint32_t hostID = 0;
    uint32_t size = 0;
    bool operator==(const IdMapping&) const = default;
};
BOOST_DESCRIBE_STRUCT(IdMapping, (), (containerID, hostID, size))

struct Mount {
    std::string destination;
    std::string type;
    std::string source;
    std::vector<std::string> options;
    std::vector<IdMapping> uidMappings;
    std::vector<IdMapping> gidMappings;
};
BOOST_DESCRIBE_STRUCT(Mount, (), (destination, type, source, options, uidMappings, gidMappings))

struct Box {
    uint64_t height = 0;
    uint64_t width = 0;
};
BOOST_DESCRIBE_STRUCT(Box, (), (height, width))

struct User {
    uint32_t uid = 0;
    uint32_t gid = 0;
    std::optional<uint32_t> umask;
    std::vector<uint32_t> additionalGids;
    std::string username;
};
BOOST_DESCRIBE_STRUCT(User, (), (uid, gid, umask, additionalGids, username))

struct Capabilities {
    std::vector<std::string> bounding;
    std::vector<std::string> effective;
    std::vector<std::string> inheritable;
    std::vector<std::string> permitted;
    std::vector<std::string> ambient;
};
BOOST_DESCRIBE_STRUCT(Capabilities, (), (bounding, effective, inheritable, permitted, ambient))

struct Rlimit {
    std::string type;
    uint64_t hard = 0;
    uint64_t soft = 0;
};
BOOST_DESCRIBE_STRUCT(Rlimit, (), (type, hard, soft))

struct Scheduler {
    std::string policy;
    int32_t nice = 0;
    int32_t priority = 0;
    std::vector<std::string> flags;
    uint64_t runtime = 0;   ///< ns
    uint64_t deadline = 0;  ///< ns
    uint64_t period = 0;    ///< ns
};
BOOST_DESCRIBE_STRUCT(Scheduler, (), (policy, nice, priority, flags, runtime, deadline, period))

struct IoPriority {
    std::string class_;
    int32_t priority = 0;
};
BOOST_DESCRIBE_STRUCT(IoPriority, (), (class_, priority))

struct CpuAffinity {
    std::string initial;
    std::string final_;
};
BOOST_DESCRIBE_STRUCT(CpuAffinity, (), (initial, final_))

struct Process {
    bool terminal = false;
    std::optional<Box> consoleSize;
    User user;
    std::vector<std::string> args;
    std::vector<std::string> env;
    std::string cwd;
    std::optional<Capabilities> capabilities;
    std::vector<Rlimit> rlimits;
    bool noNewPrivileges = false;
    std::string apparmorProfile;
    std::optional<int32_t> oomScoreAdj;
    std::string selinuxLabel;
    std::optional<Scheduler> scheduler;
    std::optional<IoPriority> ioPriority;
    std::optional<CpuAffinity> execCPUAffinity;
};
BOOST_DESCRIBE_STRUCT(Process, (),
                      (terminal, consoleSize, user, args, env, cwd, capabilities, rlimits, noNewPrivileges,
                       apparmorProfile, oomScoreAdj, selinuxLabel, scheduler, ioPriority, execCPUAffinity))

struct Hook {
    std::string path;
    std::vector<std::string> args;
    std::vector<std::string> env;
    std::optional<int64_t> timeout;  ///< seconds
};
BOOST_DESCRIBE_STRUCT(Hook, (), (path, args, env, timeout))

struct Hooks {
    std::vector<Hook> prestart;
    std::vector<Hook> createRuntime;
    std::vector<Hook> createContainer;
    std::vector<Hook> startContainer;
    std::vector<Hook> poststart;
    std::vector<Hook> poststop;
};
BOOST_DESCRIBE_STRUCT(Hooks, (),
                      (prestart, createRuntime, createContainer, startContainer, poststart, poststop))

enum class NamespaceType { mount, pid, network, uts, ipc, user, cgroup, time };
BOOST_DESCRIBE_ENUM(NamespaceType, mount, pid, network, uts, ipc, user, cgroup, time)

struct Namespace {
    NamespaceType type = NamespaceType::mount;
    std::string path;  ///< empty: a new one
};
BOOST_DESCRIBE_STRUCT(Namespace, (), (type, path))

struct Device {
    std::string type;  ///< c, u, b or p
    std::string path;
    std::optional<int64_t> major;
    std::optional<int64_t> minor;
    std::optional<uint32_t> fileMode;
    std::optional<uint32_t> uid;
    std::optional<uint32_t> gid;
};
BOOST_DESCRIBE_STRUCT(Device, (), (type, path, major, minor, fileMode, uid, gid))

struct NetDevice {
    std::string name;
};
BOOST_DESCRIBE_STRUCT(NetDevice, (), (name))

struct DeviceRule {
    bool allow = false;
    std::string type;  ///< a (or empty), c or b
    std::optional<int64_t> major;
    std::optional<int64_t> minor;
    std::string access;  ///< of r, w, m
};
BOOST_DESCRIBE_STRUCT(DeviceRule, (), (allow, type, major, minor, access))

struct MemoryResources {
    std::optional<int64_t> limit;
    std::optional<int64_t> reservation;
    std::optional<int64_t> swap;  ///< memory and swap together
    std::optional<int64_t> kernel;
    std::optional<int64_t> kernelTCP;
    std::optional<uint64_t> swappiness;
    std::optional<bool> disableOOMKiller;
    std::optional<bool> useHierarchy;
    std::optional<bool> checkBeforeUpdate;
};
BOOST_DESCRIBE_STRUCT(MemoryResources, (),
                      (limit, reservation, swap, kernel, kernelTCP, swappiness, disableOOMKiller,
                       useHierarchy, checkBeforeUpdate))

struct CpuResources {
    std::optional<uint64_t> shares;
    std::optional<int64_t> quota;   ///< µs in each period, negative: no limit
    std::optional<uint64_t> burst;  ///< µs
    std::optional<uint64_t> period;
    std::optional<int64_t> realtimeRuntime;
    std::optional<uint64_t> realtimePeriod;
    std::string cpus;
    std::string mems;
    std::optional<int64_t> idle;
};
BOOST_DESCRIBE_STRUCT(CpuResources, (),
                      (shares, quota, burst, period, realtimeRuntime, realtimePeriod, cpus, mems, idle))

struct PidsResources {
    std::optional<int64_t> limit;
};
BOOST_DESCRIBE_STRUCT(PidsResources, (), (limit))

struct WeightDevice {
    int64_t major = 0;
    int64_t minor = 0;
    std::optional<uint16_t> weight;
    std::optional<uint16_t> leafWeight;
};
BOOST_DESCRIBE_STRUCT(WeightDevice, (), (major, minor, weight, leafWeight))

struct ThrottleDevice {
    int64_t major = 0;
    int64_t minor = 0;
    uint64_t rate = 0;
};
BOOST_DESCRIBE_STRUCT(ThrottleDevice, (), (major, minor, rate))

struct BlockIoResources {
    std::optional<uint16_t> weight;
    std::optional<uint16_t> leafWeight;
    std::vector<WeightDevice> weightDevice;
    std::vector<ThrottleDevice> throttleReadBpsDevice;
    std::vector<ThrottleDevice> throttleWriteBpsDevice;
    std::vector<ThrottleDevice> throttleReadIOPSDevice;
    std::vector<ThrottleDevice> throttleWriteIOPSDevice;
};
BOOST_DESCRIBE_STRUCT(BlockIoResources, (),
                      (weight, leafWeight, weightDevice, throttleReadBpsDevice, throttleWriteBpsDevice,
                       throttleReadIOPSDevice, throttleWriteIOPSDevice))

struct HugepageLimit {
    std::string pageSize;
    uint64_t limit = 0;
};
BOOST_DESCRIBE_STRUCT(HugepageLimit, (), (pageSize, limit))

struct InterfacePriority {
    std::string name;
    uint32_t priority = 0;
};
BOOST_DESCRIBE_STRUCT(InterfacePriority, (), (name, priority))

struct NetworkResources {
    std::optional<uint32_t> classID;
    std::vector<InterfacePriority> priorities;
};
BOOST_DESCRIBE_STRUCT(NetworkResources, (), (classID, priorities))

struct RdmaLimit {
    std::optional<uint32_t> hcaHandles;
    std::optional<uint32_t> hcaObjects;
};
BOOST_DESCRIBE_STRUCT(RdmaLimit, (), (hcaHandles, hcaObjects))

struct Resources {
    std::vector<DeviceRule> devices;
    std::optional<MemoryResources> memory;
    std::optional<CpuResources> cpu;
    std::optional<PidsResources> pids;
    std::optional<BlockIoResources> blockIO;
    std::vector<HugepageLimit> hugepageLimits;
    std::optional<NetworkResources> network;
    std::map<std::string, RdmaLimit> rdma;
    std::map<std::string, std::string> unified;
};
BOOST_DESCRIBE_STRUCT(Resources, (),
                      (devices, memory, cpu, pids, blockIO, hugepageLimits, network, rdma, unified))

struct SeccompArg {
    uint32_t index = 0;
    uint64_t value = 0;
    uint64_t valueTwo = 0;
    std::string op;
};
BOOST_DESCRIBE_STRUCT(SeccompArg, (), (index, value, valueTwo, op))

struct SeccompSyscall {
    std::vector<std::string> names;
    std::string action;
    std::optional<uint32_t> errnoRet;
    std::vector<SeccompArg> args;
};
BOOST_DESCRIBE_STRUCT(SeccompSyscall, (), (names, action, errnoRet, args))

struct Seccomp {
    std::string defaultAction;
    std::optional<uint32_t> defaultErrnoRet;
    std::vector<std::string> architectures;
    std::vector<std::string> flags;
    std::string listenerPath;
    std::string listenerMetadata;
    std::vector<SeccompSyscall> syscalls;
};
BOOST_DESCRIBE_STRUCT(Seccomp, (),
                      (defaultAction, defaultErrnoRet, architectures, flags, listenerPath, listenerMetadata,
                       syscalls))

struct IntelRdt {
    std::string closID;
    std::vector<std::string> schemata;
    std::string l3CacheSchema;
    std::string memBwSchema;
    bool enableMonitoring = false;
};
BOOST_DESCRIBE_STRUCT(IntelRdt, (), (closID, schemata, l3CacheSchema, memBwSchema, enableMonitoring))

struct MemoryPolicy {
    std::string mode;
    std::string nodes;
    std::vector<std::string> flags;
};
BOOST_DESCRIBE_STRUCT(MemoryPolicy, (), (mode, nodes, flags))

struct Personality {
    std::string domain;
    std::vector<std::string> flags;
};
BOOST_DESCRIBE_STRUCT(Personality, (), (domain, flags))

struct TimeOffset {
    int64_t secs = 0;
    uint32_t nanosecs = 0;
};
BOOST_DESCRIBE_STRUCT(TimeOffset, (), (secs, nanosecs))

struct Linux {
    std::vector<Device> devices;
    std::map<std::string, NetDevice> netDevices;
    std::vector<IdMapping> uidMappings;
    std::vector<IdMapping> gidMappings;
    std::map<std::string, std::string> sysctl;
    std::optional<Resources> resources;
    std::string cgroupsPath;
    std::vector<Namespace> namespaces;
    std::optional<Seccomp> seccomp;
    std::string rootfsPropagation;
    std::vector<std::string> maskedPaths;
    std::vector<std::string> readonlyPaths;
    std::string mountLabel;
    std::optional<IntelRdt> intelRdt;
    std::optional<MemoryPolicy> memoryPolicy;
    std::optional<Personality> personality;
    std::map<std::string, TimeOffset> timeOffsets;
};
BOOST_DESCRIBE_STRUCT(Linux, (),
                      (devices, netDevices, uidMappings, gidMappings, sysctl, resources, cgroupsPath,
                       namespaces, seccomp, rootfsPropagation, maskedPaths, readonlyPaths, mountLabel,
                       intelRdt, memoryPolicy, personality, timeOffsets))

struct Config {
    std::string ociVersion;
    std::optional<Root> root;
    std::vector<Mount> mounts;
    std::optional<Process> process;
    std::string hostname;
    std::string domainname;
    std::optional<Hooks> hooks;
    std::map<std::string, std::string> annotations;
    std::optional<Linux> linux_;
};
BOOST_DESCRIBE_STRUCT(Config, (),
                      (ociVersion, root, mounts, process, hostname, domainname, hooks, annotations, linux_))

/// runtime.md, State: what `state` prints and hooks read on stdin.
struct State {
    std::string ociVersion;
    std::string id;
    std::string status;
    int32_t pid = 0;
    std::string bundle;
    std::map<std::string, std::string> annotations;
};
BOOST_DESCRIBE_STRUCT(State, (), (ociVersion, id, status, pid, bundle, annotations))

/// Declared here, defined once in runtime.cpp: the codec's templates over all of Config cost seconds to
/// compile.
Config decode_config(std::string_view json_text);
Process decode_process(std::string_view json_text);
Resources decode_resources(std::string_view json_text);
std::string encode_config(const Config& config, bool indented = false);
std::string encode_state(const State& state);

}  // namespace berth::spec
