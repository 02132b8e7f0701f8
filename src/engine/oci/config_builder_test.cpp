// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/config_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/json.h"
#include "base/strings.h"
#include "engine/oci/oci_fixture.h"
#include "runtime/validate.h"

namespace berth::engine {

namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

/// A create request, and its config.json. What isn't set in `input` is as in a container that joins nothing.
struct BuildCase : CreateCase {
    std::vector<spec::Mount> mounts;
    std::string joined_hostname, network_namespace, shm_path;
    pid_t joined = 0;
    CreatePlan plan;

    BuildInput input() {
        return {.id = kTestId,
                .config = plan.config,
                .host_config = plan.host_config,
                .path = plan.path,
                .args = plan.args,
                .daemon = daemon,
                .host = host,
                .mounts = mounts,
                .hostname_path = "/c/hostname",
                .hosts_path = "/c/hosts",
                .resolv_conf_path = "/c/resolv.conf",
                .network_pid = joined,
                .ipc_pid = joined,
                .pid_pid = joined,
                .network_namespace = network_namespace,
                .joined_hostname = joined_hostname,
                .shm_path = shm_path,
                .shim_path = "/lib/berth-shim"};
    }
    spec::Config build(const std::string& host_config_members = R"("NetworkMode":"none")") {
        plan = host_config(host_config_members);
        return build_config(input());
    }
    spec::Config build_request(const std::string& request) {
        plan = apply(request);
        return build_config(input());
    }
};

std::vector<std::string> mount_lines(const spec::Config& config) {
    std::vector<std::string> lines;
    for (const auto& mount : config.mounts)
        lines.push_back(fmt::format("{} {} {} {}", mount.destination, mount.type, mount.source,
                                    join(mount.options, ",")));
    return lines;
}

std::string namespace_line(const spec::Config& config) {
    std::string line;
    for (const auto& one : config.linux_->namespaces) {
        line += line.empty() ? "" : " ";
        line += boost::describe::enum_to_string(one.type, "");
        if (!one.path.empty()) line += "=" + one.path;
    }
    return line;
}

// What dockerd 20.10 writes for `docker run --network none`, but for what later versions mask.
TEST(BuildConfig, PlainContainer) {
    BuildCase create;
    spec::Config config = create.build();
    EXPECT_EQ(config.ociVersion, spec::kRuntimeSpecVersion);
    EXPECT_EQ(config.root->path, "rootfs");
    EXPECT_FALSE(config.root->readonly);
    EXPECT_EQ(config.hostname, "aaaaaaaaaaaa");
    EXPECT_THAT(
        mount_lines(config),
        ElementsAre(
            "/proc proc proc nosuid,noexec,nodev", "/dev tmpfs tmpfs nosuid,strictatime,mode=755,size=65536k",
            "/dev/pts devpts devpts nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5",
            "/sys sysfs sysfs nosuid,noexec,nodev,ro", "/sys/fs/cgroup cgroup cgroup nosuid,noexec,nodev,ro",
            "/dev/mqueue mqueue mqueue nosuid,noexec,nodev",
            "/dev/shm tmpfs shm nosuid,noexec,nodev,mode=1777,size=67108864",
            "/etc/resolv.conf bind /c/resolv.conf rbind,rprivate",
            "/etc/hostname bind /c/hostname rbind,rprivate", "/etc/hosts bind /c/hosts rbind,rprivate"));
    EXPECT_EQ(namespace_line(config), "mount network uts pid ipc cgroup");
    EXPECT_EQ(config.linux_->cgroupsPath, "/docker/" + kTestId);
    EXPECT_THAT(config.linux_->sysctl, ElementsAre(Pair("net.ipv4.ip_unprivileged_port_start", "0"),
                                                   Pair("net.ipv4.ping_group_range", "0 2147483647")));
    EXPECT_THAT(config.linux_->maskedPaths, Contains("/proc/kcore"));
    EXPECT_THAT(config.linux_->readonlyPaths, Contains("/proc/sysrq-trigger"));
    EXPECT_EQ(config.linux_->resources->devices.size(), 8U);
    EXPECT_FALSE(config.linux_->resources->memory || config.linux_->resources->cpu ||
                 config.linux_->resources->blockIO || config.linux_->resources->pids);
    EXPECT_TRUE(config.linux_->seccomp);

    const spec::Process& process = *config.process;
    EXPECT_THAT(process.args, ElementsAre("true"));
    EXPECT_THAT(process.env, ElementsAre("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                         "HOSTNAME=aaaaaaaaaaaa"));
    EXPECT_EQ(process.cwd, "/");
    EXPECT_EQ(process.capabilities->bounding.size(), 14U);
    EXPECT_EQ(process.capabilities->effective, process.capabilities->bounding);
    EXPECT_TRUE(process.capabilities->inheritable.empty() && process.capabilities->ambient.empty());
    EXPECT_EQ(process.oomScoreAdj, 0);
    EXPECT_FALSE(process.terminal || process.noNewPrivileges);
    EXPECT_TRUE(process.rlimits.empty());
    runtime::validate(config, {.bundle = "/", .root_is_given = true});
}

TEST(BuildConfig, TextIsTheSame) {
    BuildCase create;
    for (const char* members : {R"("NetworkMode":"none","Annotations":{"linux":"{","x":"\"linux\":{"})",
                                R"("SecurityOpt":["seccomp=unconfined"])"}) {
        spec::Config config = create.build(members);
        EXPECT_EQ(json::parse(build_config_text(create.input())), json::parse(spec::encode_config(config)));
    }
}

TEST(BuildConfig, HostsNamespaces) {
    BuildCase create;
    spec::Config config =
        create.build(R"("NetworkMode":"host","PidMode":"host","IpcMode":"host","UTSMode":"host",
                        "CgroupnsMode":"host")");
    EXPECT_EQ(namespace_line(config), "mount");
    EXPECT_EQ(config.hostname, "");
    EXPECT_THAT(config.linux_->sysctl, ElementsAre());
    EXPECT_THAT(mount_lines(config), Contains("/dev/shm bind /dev/shm rbind,rprivate"));
    runtime::validate(config, {.bundle = "/", .root_is_given = true});
}

TEST(BuildConfig, JoinsContainers) {
    BuildCase create;
    std::string modes =
        R"("NetworkMode":"container:web","PidMode":"container:web","IpcMode":"container:web")";
    ErrorKind kind = ErrorKind::internal;
    EXPECT_THAT(error_of([&] { create.build(modes); }, &kind),
                HasSubstr("cannot join the net namespace of a non running container: bbbb"));
    EXPECT_EQ(kind, ErrorKind::conflict);

    create.joined = 42;
    create.joined_hostname = "theirs";
    create.shm_path = "/c/shm";
    spec::Config config = create.build(modes);
    EXPECT_EQ(namespace_line(config),
              "mount network=/proc/42/ns/net uts pid=/proc/42/ns/pid ipc=/proc/42/ns/ipc cgroup");
    EXPECT_EQ(config.hostname, "theirs");
    EXPECT_THAT(config.process->env, Contains("HOSTNAME=theirs"));
    EXPECT_THAT(mount_lines(config), Contains("/dev/shm bind /c/shm rbind,rprivate"));
    EXPECT_THAT(config.linux_->sysctl, ElementsAre());
}

TEST(BuildConfig, SharedMemory) {
    BuildCase create;
    EXPECT_THAT(mount_lines(create.build(R"("IpcMode":"none")")), Not(Contains(HasSubstr("/dev/shm"))));
    EXPECT_THAT(mount_lines(create.build(R"("ShmSize":4096)")),
                Contains("/dev/shm tmpfs shm nosuid,noexec,nodev,mode=1777,size=4096"));
    create.shm_path = "/c/shm";
    auto lines = mount_lines(create.build(R"("IpcMode":"shareable")"));
    EXPECT_THAT(lines, Contains("/dev/shm bind /c/shm rbind,rprivate"));
    EXPECT_EQ(std::ranges::count_if(lines, [](auto& line) { return line.starts_with("/dev/shm "); }), 1);
}

TEST(BuildConfig, UsersMountsWin) {
    BuildCase create;
    create.mounts = {{"/etc/hosts", "bind", "/mine", {"rbind", "ro"}, {}, {}},
                     {"/dev/shm", "tmpfs", "tmpfs", {}, {}, {}},
                     {"/a/b", "bind", "/x", {"rbind"}, {}, {}}};
    EXPECT_THAT(mount_lines(create.build()),
                testing::IsSupersetOf({"/etc/hosts bind /mine rbind,ro", "/dev/shm tmpfs tmpfs ",
                                       "/etc/hostname bind /c/hostname rbind,rprivate"}));
    EXPECT_EQ(create.build().mounts.size(), 11U);

    create.mounts = {{"/etc", "bind", "/mine", {"rbind"}, {}, {}},
                     {"/dev", "bind", "/dev", {"rbind"}, {}, {}}};
    std::vector<std::string> places;
    for (const auto& mount : create.build().mounts) places.push_back(mount.destination);
    EXPECT_THAT(places, ElementsAre("/proc", "/sys", "/sys/fs/cgroup", "/etc", "/dev", "/etc/resolv.conf",
                                    "/etc/hostname", "/etc/hosts"));
}

TEST(BuildConfig, ReadonlyRoot) {
    BuildCase create;
    create.mounts = {{"/data", "bind", "/x", {"rbind"}, {}, {}}};
    spec::Config config = create.build(R"("ReadonlyRootfs":true)");
    EXPECT_TRUE(config.root->readonly);
    EXPECT_THAT(mount_lines(config),
                testing::IsSupersetOf({"/etc/hosts bind /c/hosts rbind,rprivate,ro", "/data bind /x rbind",
                                       "/proc proc proc nosuid,noexec,nodev",
                                       "/sys sysfs sysfs nosuid,noexec,nodev,ro"}));
}

TEST(BuildConfig, Privileged) {
    BuildCase create;
    create.host.capabilities = 0xff;
    spec::Config config = create.build(R"("Privileged":true,"ReadonlyRootfs":true)");
    EXPECT_EQ(config.process->capabilities->bounding.size(), 8U);
    EXPECT_FALSE(config.linux_->seccomp);
    EXPECT_TRUE(config.linux_->maskedPaths.empty() && config.linux_->readonlyPaths.empty());
    EXPECT_THAT(mount_lines(config),
                testing::IsSupersetOf({"/sys sysfs sysfs nosuid,noexec,nodev",
                                       "/sys/fs/cgroup cgroup cgroup nosuid,noexec,nodev"}));
    EXPECT_EQ(config.linux_->resources->devices.size(), 1U);
    EXPECT_FALSE(config.linux_->devices.empty());
    EXPECT_TRUE(create.build(R"("Privileged":true,"SecurityOpt":["seccomp=builtin"])").linux_->seccomp);
}

TEST(BuildConfig, Capabilities) {
    BuildCase create;
    auto bounding = [&](const char* members) {
        return create.build(members).process->capabilities->bounding;
    };
    EXPECT_THAT(bounding(R"("CapDrop":["ALL"],"CapAdd":["NET_ADMIN"])"), ElementsAre("CAP_NET_ADMIN"));
    EXPECT_THAT(bounding(R"("CapDrop":["chown"])"), Not(Contains("CAP_CHOWN")));
    EXPECT_EQ(bounding(R"("CapAdd":["ALL"],"CapDrop":["MKNOD"])").size(), 40U);
    EXPECT_EQ(bounding(R"("CapAdd":["ALL"],"CapDrop":["ALL","MKNOD"])").size(), 40U);
    spec::Config user = create.build_request(R"({"Cmd":["x"],"User":"7","HostConfig":{}})");
    EXPECT_EQ(user.process->capabilities->bounding.size(), 14U);
    EXPECT_TRUE(user.process->capabilities->effective.empty());
}

TEST(BuildConfig, Resources) {
    BuildCase create;
    spec::Config config = create.build(
        R"("Memory":10000000,"MemoryReservation":9000000,"MemorySwappiness":10,"OomKillDisable":true,
           "NanoCpus":1500000000,"CpuShares":512,"CpusetCpus":"0-1","CpusetMems":"0","PidsLimit":50,
           "BlkioWeight":300,"BlkioDeviceReadBps":[{"Path":"/dev/null","Rate":5}],"OomScoreAdj":300)");
    const spec::Resources& resources = *config.linux_->resources;
    EXPECT_EQ(resources.memory->limit, 10000000);
    EXPECT_EQ(resources.memory->swap, 20000000);
    EXPECT_EQ(resources.memory->reservation, 9000000);
    EXPECT_EQ(resources.memory->swappiness, 10U);
    EXPECT_EQ(resources.memory->disableOOMKiller, true);
    EXPECT_EQ(resources.cpu->period, 100000U);
    EXPECT_EQ(resources.cpu->quota, 150000);
    EXPECT_EQ(resources.cpu->shares, 512U);
    EXPECT_EQ(resources.cpu->cpus, "0-1");
    EXPECT_EQ(resources.cpu->mems, "0");
    EXPECT_EQ(resources.pids->limit, 50);
    EXPECT_EQ(resources.blockIO->weight, 300);
    ASSERT_EQ(resources.blockIO->throttleReadBpsDevice.size(), 1U);
    EXPECT_EQ(resources.blockIO->throttleReadBpsDevice[0].major, 1);
    EXPECT_EQ(resources.blockIO->throttleReadBpsDevice[0].minor, 3);
    EXPECT_EQ(config.process->oomScoreAdj, 300);
    EXPECT_EQ(
        error_of([&] { create.build(R"("BlkioDeviceWriteIOps":[{"Path":"/dev/there-is-none","Rate":5}])"); }),
        "stat /dev/there-is-none: no such file or directory");
}

TEST(BuildConfig, LimitsAndTheDaemonsDefaults) {
    BuildCase create;
    create.daemon.default_ulimits["nofile"] = {"nofile", 1, 2};
    create.daemon.default_ulimits["core"] = {"core", 0, -1};
    spec::Config config = create.build(R"("Ulimits":[{"Name":"nofile","Soft":100,"Hard":200}])");
    ASSERT_EQ(config.process->rlimits.size(), 2U);
    EXPECT_EQ(config.process->rlimits[0].type, "RLIMIT_CORE");
    EXPECT_EQ(config.process->rlimits[0].hard, UINT64_MAX);
    EXPECT_EQ(config.process->rlimits[1].type, "RLIMIT_NOFILE");
    EXPECT_EQ(config.process->rlimits[1].soft, 100U);
}

TEST(BuildConfig, Security) {
    BuildCase create;
    EXPECT_TRUE(create.build(R"("SecurityOpt":["no-new-privileges"])").process->noNewPrivileges);
    create.daemon.no_new_privileges = true;
    EXPECT_TRUE(create.build().process->noNewPrivileges);
    EXPECT_FALSE(create.build(R"("SecurityOpt":["no-new-privileges:false"])").process->noNewPrivileges);

    EXPECT_FALSE(create.build(R"("SecurityOpt":["seccomp=unconfined"])").linux_->seccomp);
    spec::Config own = create.build(R"("SecurityOpt":["seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\"}"])");
    EXPECT_EQ(own.linux_->seccomp->defaultAction, "SCMP_ACT_ALLOW");
    create.daemon.seccomp_profile = "unconfined";
    EXPECT_FALSE(create.build().linux_->seccomp);
    EXPECT_TRUE(create.build(R"("SecurityOpt":["seccomp=builtin"])").linux_->seccomp);

    EXPECT_THAT(mount_lines(create.build(R"("SecurityOpt":["writable-cgroups=true"])")),
                Contains("/sys/fs/cgroup cgroup cgroup nosuid,noexec,nodev"));
    create.host.selinux = create.daemon.selinux = true;
    spec::Config labelled = create.build(R"("SecurityOpt":["label=type:my_t","label=level:s0:c1,c2"])");
    EXPECT_EQ(labelled.process->selinuxLabel, "system_u:system_r:my_t:s0:c1,c2");
    EXPECT_EQ(labelled.linux_->mountLabel, "system_u:object_r:container_file_t:s0:c1,c2");
    EXPECT_EQ(create.build(R"("SecurityOpt":["label=disable"])").process->selinuxLabel, "");
}

TEST(BuildConfig, Init) {
    BuildCase create;
    spec::Config config = create.build(R"("Init":true)");
    EXPECT_THAT(config.process->args, ElementsAre("/sbin/docker-init", "--", "true"));
    EXPECT_EQ(mount_lines(config).back(), "/sbin/docker-init bind /lib/berth-shim bind,ro");
    EXPECT_THAT(create.build(R"("Init":true,"PidMode":"host")").process->args, ElementsAre("true"));
    create.daemon.init = true;
    create.daemon.init_path = "/usr/bin/tini";
    EXPECT_EQ(mount_lines(create.build()).back(), "/sbin/docker-init bind /usr/bin/tini bind,ro");
    EXPECT_THAT(create.build(R"("Init":false)").process->args, ElementsAre("true"));
}

TEST(BuildConfig, ProcessFields) {
    BuildCase create;
    spec::Config config = create.build_request(
        R"({"Cmd":["a"],"Entrypoint":["e"],"Tty":true,"WorkingDir":"/x/../y","User":"7:8","Domainname":"d",
            "Env":["TERM=vt100","HOSTNAME"],
            "HostConfig":{"ConsoleSize":[30,90],"Annotations":{"k":"v"},"Sysctls":{"kernel.shmmax":"9"}}})");
    EXPECT_THAT(config.process->args, ElementsAre("e", "a"));
    EXPECT_TRUE(config.process->terminal);
    EXPECT_EQ(config.process->consoleSize->height, 30U);
    EXPECT_EQ(config.process->consoleSize->width, 90U);
    EXPECT_EQ(config.process->cwd, "/y");
    EXPECT_EQ(config.process->user.uid, 7U);
    EXPECT_EQ(config.process->user.gid, 8U);
    EXPECT_EQ(config.domainname, "d");
    EXPECT_THAT(config.process->env, Contains("TERM=vt100"));
    EXPECT_THAT(config.process->env, Not(Contains(HasSubstr("HOSTNAME"))));
    EXPECT_EQ(config.annotations.at("k"), "v");
    EXPECT_EQ(config.linux_->sysctl.at("kernel.shmmax"), "9");
}

TEST(BuildConfig, CgroupPaths) {
    BuildCase create;
    auto path = [&](const char* members) { return create.build(members).linux_->cgroupsPath; };
    EXPECT_EQ(path(R"("CgroupParent":"/a/b")"), "/a/b/" + kTestId);
    EXPECT_EQ(path(R"("CgroupParent":"../../a")"), "/a/" + kTestId);
    create.daemon.cgroup_driver = "systemd";
    EXPECT_EQ(path(R"("CgroupParent":"my-own.slice")"), "my-own.slice:docker:" + kTestId);
}

TEST(BuildConfig, ErrorsAreTheContainersOwn) {
    BuildCase create;
    ErrorKind kind = ErrorKind::conflict;
    EXPECT_EQ(error_of([&] { create.build(R"("DeviceRequests":[{"Capabilities":[["gpu"]]}])"); }, &kind),
              "could not select device driver \"\" with capabilities: [[gpu]]");
    EXPECT_EQ(kind, ErrorKind::internal);
}

}  // namespace

}  // namespace berth::engine
