// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/create_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "engine/oci/oci_fixture.h"
#include "engine/oci/signals.h"

namespace berth::engine {

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Refusal {
    const char* host_config;
    const char* message;
};

// In dockerd's words.
constexpr Refusal kRefusals[] = {
    {R"("Memory":1000)", "Minimum memory limit allowed is 6MB"},
    {R"("Memory":100000000,"MemorySwap":1000)",
     "Minimum memoryswap limit should be larger than memory limit, see usage"},
    {R"("MemorySwap":100000000)",
     "You should always set the Memory limit when using Memoryswap limit, see usage"},
    {R"("MemoryReservation":5)", "Minimum memory reservation allowed is 6MB"},
    {R"("Memory":10000000,"MemoryReservation":20000000)",
     "Minimum memory limit can not be less than memory reservation limit, see usage"},
    {R"("MemorySwappiness":101)", "Invalid value: 101, valid memory swappiness range is 0-100"},
    {R"("NanoCpus":1000000000,"CpuPeriod":1000)",
     "Conflicting options: Nano CPUs and CPU Period cannot both be set"},
    {R"("NanoCpus":1000000000,"CpuQuota":1000)",
     "Conflicting options: Nano CPUs and CPU Quota cannot both be set"},
    {R"("NanoCpus":9000000000)", "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"},
    {R"("CpuPeriod":100)",
     "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"},
    {R"("CpuQuota":100)", "CPU cfs quota can not be less than 1ms (i.e. 1000)"},
    {R"("CpuRealtimePeriod":1000)", "kernel does not support CPU real-time scheduler"},
    {R"("CpusetCpus":"9")", "Requested CPUs are not available - requested 9, available: 0-1"},
    {R"("CpusetCpus":"a-b")", "Invalid value a-b for cpuset cpus: invalid format: a-b"},
    {R"("CpusetCpus":"1-0")", "Invalid value 1-0 for cpuset cpus: invalid format: 1-0"},
    {R"("CpusetCpus":"99999")", "Invalid value 99999 for cpuset cpus: value of out range, maximum is 8192"},
    {R"("CpusetMems":"7")", "Requested memory nodes are not available - requested 7, available: 0"},
    {R"("BlkioWeight":5)", "Range of blkio weight is from 10 to 1000"},
    {R"("OomScoreAdj":1001)", "Invalid value 1001, range for oom score adj is [-1000, 1000]"},
    {R"("ShmSize":-1)", "SHM size can not be less than 0"},
    {R"("IpcMode":"foo")", "invalid IPC mode: foo"},
    {R"("IpcMode":"container:")", "invalid IPC mode: container:"},
    {R"("PidMode":"foo")", "invalid PID mode: foo"},
    {R"("UTSMode":"foo")", "invalid UTS mode: foo"},
    {R"("UsernsMode":"foo")", "invalid USER mode: foo"},
    {R"("CgroupnsMode":"foo")", "invalid cgroup namespace mode: foo"},
    {R"("IpcMode":"container:nobody")", "No such container: nobody"},
    {R"("PidMode":"container:nobody")", "No such container: nobody"},
    {R"("NetworkMode":"container:")", "invalid network mode: invalid container format container:<name|id>"},
    {R"("NetworkMode":"container:web","Dns":["1.1.1.1"])", "conflicting options: dns and the network mode"},
    {R"("NetworkMode":"container:web","PublishAllPorts":true)",
     "conflicting options: port publishing and the container type network mode"},
    {R"("NetworkMode":"host","Links":["web"])",
     "conflicting options: host type networking can't be used with links. This would result in undefined "
     "behavior"},
    {R"("Links":["nobody"])", "could not get container for nobody: No such container: nobody"},
    {R"("Links":["a:b:c"])", "bad format for links: a:b:c"},
    {R"("RestartPolicy":{"Name":"always","MaximumRetryCount":3})",
     "maximum retry count cannot be used with restart policy 'always'"},
    {R"("RestartPolicy":{"Name":"on-failure","MaximumRetryCount":-1})",
     "maximum retry count cannot be negative"},
    {R"("RestartPolicy":{"Name":"foo"})", "invalid restart policy 'foo'"},
    {R"("AutoRemove":true,"RestartPolicy":{"Name":"always"})",
     "can't create 'AutoRemove' container with restart policy"},
    {R"("CapAdd":["foo"])", "invalid CapAdd: unknown capability: \"CAP_FOO\""},
    {R"("CapDrop":["CAP_BAR"])", "invalid CapDrop: unknown capability: \"CAP_BAR\""},
    {R"("SecurityOpt":["foo"])", "invalid --security-opt 1: \"foo\""},
    {R"("SecurityOpt":["foo=bar"])", "invalid --security-opt 2: \"foo=bar\""},
    {R"("SecurityOpt":["no-new-privileges=maybe"])", "invalid --security-opt 2: \"no-new-privileges=maybe\""},
    {R"("Sysctls":{"vm.swappiness":"1"})", "sysctl \"vm.swappiness\" is not in a separate kernel namespace"},
    {R"("NetworkMode":"host","Sysctls":{"net.ipv4.ip_forward":"1"})",
     "sysctl \"net.ipv4.ip_forward\" not allowed in host network namespace"},
    {R"("IpcMode":"host","Sysctls":{"kernel.shmmax":"1"})",
     "sysctl \"kernel.shmmax\" is not allowed in the hosts ipc namespace"},
    {R"("Runtime":"foo")", "unknown or invalid runtime name: foo"},
    {R"("Ulimits":[{"Name":"foo","Soft":1,"Hard":1}])", "invalid ulimit type: foo"},
    {R"("Ulimits":[{"Name":"nofile","Soft":3,"Hard":2}])",
     "ulimit soft limit must be less than or equal to hard limit: 3 > 2"},
    {R"("Devices":[{"PathOnHost":"/dev/x","CgroupPermissions":"q"}])", "invalid device mode: q"},
    {R"("DeviceCgroupRules":["foo"])", "invalid device cgroup rule format: 'foo'"},
    {R"("ExtraHosts":["x"])", "bad format for add-host: \"x\""},
    {R"("ExtraHosts":["a:b"])", "invalid IP address in add-host: \"b\""},
    {R"("PortBindings":{"x/tcp":[]})", "invalid port specification: \"x\""},
    {R"("PortBindings":{"80/tcp":[{"HostPort":"y"}]})", "invalid port specification: \"y\""},
    {R"("PortBindings":{"80/tcp":[{"HostPort":"8500-8400"}]})", "invalid port specification: \"8500-8400\""},
    {R"("PortBindings":{"0/tcp":[]})", "invalid port specification: \"0\""},
    {R"("ExtraHosts":["a\nb:10.0.0.1"])",
     "invalid name in add-host: \"a\\nb\": blanks and control characters are not allowed"},
    {R"("Links":["db:a b"])", "invalid link: \"db:a b\": blanks and control characters are not allowed"},
    {R"("StorageOpt":{"foo":"1"})", "Unknown option foo"},
    {R"("StorageOpt":{"size":"x"})", "invalid size: 'x'"},
};

TEST(CreateRules, RefusesInDockersWords) {
    CreateCase create;
    for (const Refusal& refusal : kRefusals) {
        ErrorKind kind = ErrorKind::internal;
        EXPECT_EQ(error_of([&] { create.host_config(refusal.host_config); }, &kind), refusal.message)
            << refusal.host_config;
        EXPECT_EQ(kind, ErrorKind::invalid_argument) << refusal.host_config;
    }
}

/// The daemon's one thread would be busy with it for minutes.
TEST(CreateRules, ListsOfTooManyPartsAreNoLists) {
    CreateCase create;
    std::string list = "0-8191";
    for (int i = 0; i < 20'000; ++i) list += ",0-8191";
    EXPECT_THAT(error_of([&] { create.host_config(R"("CpusetCpus":")" + list + '"'); }),
                HasSubstr("for cpuset cpus: invalid format"));
}

TEST(CreateRules, LimitsDoNotOverflow) {
    CreateCase create;
    auto plan = create.host_config(R"("Memory":9223372036854775807)");
    EXPECT_EQ(plan.host_config.MemorySwap, -1);
}

TEST(CreateRules, RefusesConfigurations) {
    const std::array<std::pair<const char*, const char*>, 10> cases = {{
        {R"({})", "no command specified"},
        {R"({"Cmd":["x"],"WorkingDir":"rel"})",
         "the working directory 'rel' is invalid, it needs to be an absolute path"},
        {R"({"Cmd":["x"],"StopSignal":"FOO"})", "invalid signal: FOO"},
        {R"({"Cmd":["x"],"Env":["=x"]})", "invalid environment variable: =x"},
        {R"({"Cmd":["x"],"Healthcheck":{"Interval":5}})", "Interval in Healthcheck cannot be less than 1ms"},
        {R"({"Cmd":["x"],"Healthcheck":{"StartPeriod":5}})",
         "StartPeriod in Healthcheck cannot be less than 1ms"},
        {R"({"Cmd":["x"],"Healthcheck":{"Retries":-1}})", "Retries in Healthcheck cannot be negative"},
        {R"({"Cmd":["x"],"Hostname":"h","HostConfig":{"UTSMode":"host"}})",
         "conflicting options: hostname and the UTS mode"},
        {R"({"Cmd":["x"],"Hostname":"h","HostConfig":{"NetworkMode":"container:web"}})",
         "conflicting options: hostname and the network mode"},
        {R"({"Cmd":["x"],"ExposedPorts":{"80/tcp":{}},"HostConfig":{"NetworkMode":"container:web"}})",
         "conflicting options: port exposing and the container type network mode"},
    }};
    CreateCase create;
    for (const auto& [request, message] : cases)
        EXPECT_EQ(error_of([&] { create.apply(request); }), message) << request;
}

TEST(CreateRules, UnknownNetworksAreTheStartsMatter) {
    CreateCase create;
    EXPECT_EQ(create.host_config(R"("NetworkMode":"nope")").host_config.NetworkMode, "nope");
}

TEST(CreateRules, RegisteredRuntimesAreToBeDone) {
    CreateCase create;
    create.daemon.runtimes["kata"] = {"/usr/bin/kata", {}, {}};
    ErrorKind kind = ErrorKind::internal;
    EXPECT_THAT(error_of([&] { create.host_config(R"("Runtime":"kata")"); }, &kind), HasSubstr("kata"));
    EXPECT_EQ(kind, ErrorKind::not_implemented);
    EXPECT_EQ(create.host_config(R"("Runtime":"io.containerd.runc.v2")").host_config.Runtime,
              "io.containerd.runc.v2");
}

TEST(CreateRules, FillsDefaults) {
    CreateCase create;
    CreatePlan plan = create.host_config(R"("Memory":10000000,"NetworkMode":"default","PidsLimit":-1)");
    EXPECT_EQ(plan.path, "true");
    EXPECT_EQ(plan.config.Hostname, "aaaaaaaaaaaa");
    EXPECT_EQ(plan.host_config.MemorySwap, 20000000);
    EXPECT_EQ(plan.host_config.ShmSize, 64 << 20);
    EXPECT_EQ(plan.host_config.IpcMode, "private");
    EXPECT_EQ(plan.host_config.CgroupnsMode, "private");
    EXPECT_EQ(plan.host_config.Runtime, "runc");
    EXPECT_EQ(plan.host_config.NetworkMode, "bridge");
    EXPECT_EQ(plan.host_config.OomKillDisable, false);
    EXPECT_FALSE(plan.host_config.PidsLimit);
    EXPECT_THAT(*plan.host_config.MaskedPaths, testing::Contains("/proc/kcore"));
    EXPECT_THAT(*plan.host_config.ReadonlyPaths, testing::Contains("/proc/sys"));
    EXPECT_THAT(plan.warnings, testing::IsEmpty());
}

TEST(CreateRules, PrivilegedAndUnconfined) {
    CreateCase create;
    auto privileged = create.host_config(R"("NetworkMode":"none","Privileged":true)").host_config;
    EXPECT_FALSE(privileged.MaskedPaths);
    EXPECT_THAT(*privileged.SecurityOpt, ElementsAre("label=disable"));
    auto labelled = create.host_config(R"("Privileged":true,"SecurityOpt":["label=type:my_t"])").host_config;
    EXPECT_THAT(*labelled.SecurityOpt, ElementsAre("label=type:my_t"));
    EXPECT_EQ(privileged.CgroupnsMode, "host");
    create.host.cgroup_version = 2;
    EXPECT_EQ(create.host_config(R"("Privileged":true)").host_config.CgroupnsMode, "private");

    auto open = create.host_config(R"("SecurityOpt":["systempaths=unconfined"])").host_config;
    EXPECT_TRUE(open.MaskedPaths && open.MaskedPaths->empty());
    EXPECT_TRUE(open.ReadonlyPaths && open.ReadonlyPaths->empty());
}

TEST(CreateRules, NamesBecomeIds) {
    CreateCase create;
    std::string id = "container:" + std::string(64, 'b');
    auto plan = create.host_config(
        R"("NetworkMode":"container:web","IpcMode":"container:web","PidMode":"container:web")");
    EXPECT_EQ(plan.host_config.NetworkMode, id);
    EXPECT_EQ(plan.host_config.IpcMode, id);
    EXPECT_EQ(plan.host_config.PidMode, id);
    EXPECT_EQ(create.host_config(R"("NetworkMode":"container:later")").host_config.NetworkMode,
              "container:later");
}

TEST(CreateRules, NormalizesCapabilities) {
    CreateCase create;
    auto plan = create.host_config(R"("CapAdd":["net_admin","CAP_CHOWN","all"],"CapDrop":["Mknod"])");
    EXPECT_THAT(*plan.host_config.CapAdd, ElementsAre("CAP_NET_ADMIN", "CAP_CHOWN", "ALL"));
    EXPECT_THAT(*plan.host_config.CapDrop, ElementsAre("CAP_MKNOD"));
}

TEST(CreateRules, HostNetworkHasTheHostsName) {
    CreateCase create;
    EXPECT_EQ(create.host_config(R"("NetworkMode":"host")").config.Hostname, "machine");
    auto plan = create.host_config(R"("NetworkMode":"host","PortBindings":{"80/tcp":[{"HostPort":"80"}]})");
    EXPECT_THAT(plan.warnings, ElementsAre("Published ports are discarded when using host network mode"));
}

TEST(CreateRules, WhatTheHostLacksIsDiscarded) {
    CreateCase create;
    create.host.swap_limit = create.host.pids_limit = create.host.cpuset = create.host.oom_kill_disable =
        false;
    create.host.cpu_cfs = create.host.blkio_weight = false;
    auto plan = create.host_config(
        R"("NetworkMode":"none","Memory":10000000,"PidsLimit":5,"CpusetCpus":"0","CpuQuota":5000,
           "BlkioWeight":300,"OomKillDisable":true)");
    EXPECT_THAT(
        plan.warnings,
        ElementsAre("Your kernel does not support swap limit capabilities or the cgroup is not mounted. "
                    "Memory limited without swap.",
                    "Your kernel does not support OomKillDisable. OomKillDisable discarded.",
                    "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs "
                    "limit discarded.",
                    "Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.",
                    "Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.",
                    "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight "
                    "discarded."));
    EXPECT_EQ(plan.host_config.MemorySwap, -1);
    EXPECT_FALSE(plan.host_config.PidsLimit || plan.host_config.OomKillDisable);
    EXPECT_EQ(plan.host_config.CpuQuota, 0);
    EXPECT_EQ(plan.host_config.CpusetCpus, "");
    EXPECT_EQ(plan.host_config.BlkioWeight, 0);
    EXPECT_THAT(error_of([&] { create.host_config(R"("NanoCpus":1000000000)"); }),
                HasSubstr("NanoCPUs can not be set"));
}

TEST(CreateRules, UserNamespacesAreToBeDone) {
    CreateCase create;
    create.daemon.userns_remap = "default";
    ErrorKind kind = ErrorKind::internal;
    EXPECT_THAT(error_of([&] { create.host_config(""); }, &kind), HasSubstr("userns-remap"));
    EXPECT_EQ(kind, ErrorKind::not_implemented);
    EXPECT_EQ(error_of([&] { create.host_config(R"("UsernsMode":"host")"); }), "");
}

TEST(CreateRules, StorageSize) {
    CreateCase create;
    EXPECT_EQ(create.host_config(R"("StorageOpt":{"size":"2m"})").quota_bytes, uint64_t{2} << 20);
}

TEST(Signals, NamesAndNumbers) {
    EXPECT_EQ(parse_signal("SIGTERM"), 15);
    EXPECT_EQ(parse_signal("kill"), 9);
    EXPECT_EQ(parse_signal("10"), 10);
    EXPECT_EQ(parse_signal("SIGRTMIN+3"), 37);
    EXPECT_EQ(parse_signal("RTMAX-1"), 63);
    for (const char* wrong : {"", "0", "65", "SIGFOO", "RTMIN+31", "RTMIN+", "-1", "1x"})
        EXPECT_EQ(error_of([&] { parse_signal(wrong); }), std::string("invalid signal: ") + wrong);
}

TEST(HostFacts, ThisHost) {
    HostFacts host = HostFacts::read();
    EXPECT_GE(host.cpu_count, 1);
    EXPECT_GT(host.memory_total, 0);
    EXPECT_GE(host.kernel_major, 5);
    EXPECT_FALSE(host.architecture.empty() || host.hostname.empty() || host.os_name.empty());
    EXPECT_TRUE(host.kernel_at_least(host.kernel_major, host.kernel_minor));
    EXPECT_FALSE(host.kernel_at_least(host.kernel_major, host.kernel_minor + 1));
}

}  // namespace

}  // namespace berth::engine
