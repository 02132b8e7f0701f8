// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Bodies as they went over the wire between the docker CLI 28 and dockerd.
namespace berth::spec::api::sample {

/// docker run -d --name web --network none -e A=1 -v data:/data --tmpfs /t:size=1m --ulimit nofile=100:200
/// -p 8080:80 --health-cmd true --memory 64m --cpus 1.5 --cap-add NET_ADMIN --restart on-failure:3 --label
/// a=b
/// --init --mount type=bind,src=/tmp,dst=/mnt,bind-propagation=rslave bb sleep 1000
inline constexpr const char* kCreate =
    R"j({"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,)j"
    R"j("AttachStderr":false,"ExposedPorts":{"80/tcp":{}},"Tty":false,"OpenStdin":false,)j"
    R"j("StdinOnce":false,"Env":["A=1"],"Cmd":["sleep","1000"],"Healthcheck":{"Test":["CMD-SHELL",)j"
    R"j("true"]},"Image":"bb","Volumes":{},"WorkingDir":"","Entrypoint":null,"OnBuild":null,)j"
    R"j("Labels":{"a":"b"},"HostConfig":{"Binds":["data:/data"],"ContainerIDFile":"",)j"
    R"j("LogConfig":{"Type":"","Config":{}},"NetworkMode":"none","PortBindings":{"80/tcp":[{"HostIp":"",)j"
    R"j("HostPort":"8080"}]},"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3},)j"
    R"j("AutoRemove":false,"VolumeDriver":"","VolumesFrom":null,"ConsoleSize":[0,0],)j"
    R"j("CapAdd":["CAP_NET_ADMIN"],"CapDrop":null,"CgroupnsMode":"","Dns":[],"DnsOptions":[],)j"
    R"j("DnsSearch":[],"ExtraHosts":null,"GroupAdd":null,"IpcMode":"","Cgroup":"","Links":null,)j"
    R"j("OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,"ReadonlyRootfs":false,)j"
    R"j("SecurityOpt":null,"Tmpfs":{"/t":"size=1m"},"UTSMode":"","UsernsMode":"","ShmSize":0,)j"
    R"j("Isolation":"","CpuShares":0,"Memory":67108864,"NanoCpus":1500000000,"CgroupParent":"",)j"
    R"j("BlkioWeight":0,"BlkioWeightDevice":[],"BlkioDeviceReadBps":[],"BlkioDeviceWriteBps":[],)j"
    R"j("BlkioDeviceReadIOps":[],"BlkioDeviceWriteIOps":[],"CpuPeriod":0,"CpuQuota":0,)j"
    R"j("CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"","Devices":[],)j"
    R"j("DeviceCgroupRules":null,"DeviceRequests":null,"MemoryReservation":0,"MemorySwap":0,)j"
    R"j("MemorySwappiness":-1,"OomKillDisable":false,"PidsLimit":0,"Ulimits":[{"Name":"nofile",)j"
    R"j("Hard":200,"Soft":100}],"CpuCount":0,"CpuPercent":0,"IOMaximumIOps":0,"IOMaximumBandwidth":0,)j"
    R"j("Mounts":[{"Type":"bind","Source":"/tmp","Target":"/mnt",)j"
    R"j("BindOptions":{"Propagation":"rslave"}}],"MaskedPaths":null,"ReadonlyPaths":null,"Init":true},)j"
    R"j("NetworkingConfig":{"EndpointsConfig":{}}})j";

/// GET /containers/web/json; of an older dockerd, in the form of 1.51.
inline constexpr const char* kInspect =
    R"j({"Id":"81fbf0eb66942bf6035316dbc42a987adabdfed2ff170421d57b74a9a6b74fdb",)j"
    R"j("Created":"2026-11-22T11:15:43.462511844Z","Path":"sleep","Args":["1000"],)j"
    R"j("State":{"Status":"running","Running":true,"Paused":false,"Restarting":false,"OOMKilled":false,)j"
    R"j("Dead":false,"Pid":18304,"ExitCode":0,"Error":"","StartedAt":"2026-11-22T11:15:43.680600452Z",)j"
    R"j("FinishedAt":"0001-01-01T00:00:00Z","Health":{"Status":"healthy","FailingStreak":0,)j"
    R"j("Log":[{"Start":"2026-11-22T11:24:14.78103406Z","End":"2026-11-22T11:24:14.851240958Z",)j"
    R"j("ExitCode":0,"Output":""},{"Start":"2026-11-22T11:24:44.854704361Z",)j"
    R"j("End":"2026-11-22T11:24:44.919775318Z","ExitCode":0,"Output":""},)j"
    R"j({"Start":"2026-11-22T11:25:14.926532466Z","End":"2026-11-22T11:25:14.983108968Z","ExitCode":0,)j"
    R"j("Output":""},{"Start":"2026-11-22T11:25:44.98854585Z","End":"2026-11-22T11:25:45.058788582Z",)j"
    R"j("ExitCode":0,"Output":""},{"Start":"2026-11-22T11:26:15.062539332Z",)j"
    R"j("End":"2026-11-22T11:26:15.121197729Z","ExitCode":0,"Output":""}]}},)j"
    R"j("Image":"sha256:29dc6fe5c7bcb1128236a475b82a22c93b1e1ae8bbb0ef7f82e68093ff2e4093",)j"
    R"j("ResolvConfPath":"/var/lib/docker/containers/81fbf0eb66942bf6035316dbc42a987adabdfed2ff170421d57)j"
    R"j(b74a9a6b74fdb/resolv.conf",)j"
    R"j("HostnamePath":"/var/lib/docker/containers/81fbf0eb66942bf6035316dbc42a987adabdfed2ff170421d57b7)j"
    R"j(4a9a6b74fdb/hostname",)j"
    R"j("HostsPath":"/var/lib/docker/containers/81fbf0eb66942bf6035316dbc42a987adabdfed2ff170421d57b74a9)j"
    R"j(a6b74fdb/hosts",)j"
    R"j("LogPath":"/var/lib/docker/containers/81fbf0eb66942bf6035316dbc42a987adabdfed2ff170421d57b74a9a6)j"
    R"j(b74fdb/81fbf0eb66942bf6035316dbc42a987adabdfed2ff170421d57b74a9a6b74fdb-json.log","Name":"/web",)j"
    R"j("RestartCount":0,"Driver":"vfs","Platform":"linux","MountLabel":"","ProcessLabel":"",)j"
    R"j("AppArmorProfile":"","ExecIDs":null,"HostConfig":{"Binds":["data:/data"],"ContainerIDFile":"",)j"
    R"j("LogConfig":{"Type":"json-file","Config":{}},"NetworkMode":"none",)j"
    R"j("PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}]},)j"
    R"j("RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3},"AutoRemove":false,)j"
    R"j("VolumeDriver":"","VolumesFrom":null,"CapAdd":["CAP_NET_ADMIN"],"CapDrop":null,)j"
    R"j("CgroupnsMode":"host","Dns":[],"DnsOptions":[],"DnsSearch":[],"ExtraHosts":null,"GroupAdd":null,)j"
    R"j("IpcMode":"private","Cgroup":"","Links":null,"OomScoreAdj":0,"PidMode":"","Privileged":false,)j"
    R"j("PublishAllPorts":false,"ReadonlyRootfs":false,"SecurityOpt":null,"Tmpfs":{"/t":"size=1m"},)j"
    R"j("UTSMode":"","UsernsMode":"","ShmSize":67108864,"Runtime":"runc","ConsoleSize":[0,0],)j"
    R"j("Isolation":"","CpuShares":0,"Memory":73400320,"NanoCpus":1500000000,"CgroupParent":"",)j"
    R"j("BlkioWeight":0,"BlkioWeightDevice":[],"BlkioDeviceReadBps":[],"BlkioDeviceWriteBps":[],)j"
    R"j("BlkioDeviceReadIOps":[],"BlkioDeviceWriteIOps":[],"CpuPeriod":0,"CpuQuota":0,)j"
    R"j("CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"","Devices":[],)j"
    R"j("DeviceCgroupRules":null,"DeviceRequests":null,"MemoryReservation":0,"MemorySwap":-1,)j"
    R"j("MemorySwappiness":null,"OomKillDisable":false,"PidsLimit":null,"Ulimits":[{"Name":"nofile",)j"
    R"j("Hard":200,"Soft":100}],"CpuCount":0,"CpuPercent":0,"IOMaximumIOps":0,"IOMaximumBandwidth":0,)j"
    R"j("Mounts":[{"Type":"bind","Source":"/tmp","Target":"/mnt"}],"MaskedPaths":["/proc/asound",)j"
    R"j("/proc/acpi","/proc/kcore","/proc/keys","/proc/latency_stats","/proc/timer_list",)j"
    R"j("/proc/timer_stats","/proc/sched_debug","/proc/scsi","/sys/firmware"],)j"
    R"j("ReadonlyPaths":["/proc/bus","/proc/fs","/proc/irq","/proc/sys","/proc/sysrq-trigger"],)j"
    R"j("Init":true},"GraphDriver":{"Data":null,"Name":"vfs"},"Mounts":[{"Type":"volume","Name":"data",)j"
    R"j("Source":"/var/lib/docker/volumes/data/_data","Destination":"/data","Driver":"local","Mode":"z",)j"
    R"j("RW":true,"Propagation":""},{"Type":"bind","Source":"/tmp","Destination":"/mnt","Mode":"",)j"
    R"j("RW":true,"Propagation":"rslave"}],"Config":{"Hostname":"81fbf0eb6694","Domainname":"",)j"
    R"j("User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,)j"
    R"j("ExposedPorts":{"80/tcp":{}},"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":["A=1"],)j"
    R"j("Cmd":["sleep","1000"],"Healthcheck":{"Test":["CMD-SHELL","true"]},"Image":"bb","Volumes":null,)j"
    R"j("WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":{"a":"b"}},)j"
    R"j("NetworkSettings":{"Bridge":"",)j"
    R"j("SandboxID":"f8b14b9de6ed4c4f59072055fbe02e0616e9227b4a291059565c6942cbe85688",)j"
    R"j("HairpinMode":false,"LinkLocalIPv6Address":"","LinkLocalIPv6PrefixLen":0,"Ports":{},)j"
    R"j("SandboxKey":"/run/docker/netns/f8b14b9de6ed","SecondaryIPAddresses":null,)j"
    R"j("SecondaryIPv6Addresses":null,"EndpointID":"","Gateway":"","GlobalIPv6Address":"",)j"
    R"j("GlobalIPv6PrefixLen":0,"IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","MacAddress":"",)j"
    R"j("Networks":{"none":{"IPAMConfig":null,"Links":null,"Aliases":null,)j"
    R"j("NetworkID":"06bb14b1808644b7d3e58f3a88f1b1edaac76dc26cddc4e5a5c91dd3ee59d743",)j"
    R"j("EndpointID":"4d2f0285d6497a1ae3eff7de3f813bebdf2a4ea069205a0c28eed8a335e0245c","Gateway":"",)j"
    R"j("IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,)j"
    R"j("MacAddress":"","DriverOpts":null,"DNSNames":null,"GwPriority":0}}}})j";

inline constexpr const char* kSummary =
    R"j({"Id":"81fbf0eb66942bf6035316dbc42a987adabdfed2ff170421d57b74a9a6b74fdb","Names":["/web"],)j"
    R"j("Image":"bb",)j"
    R"j("ImageID":"sha256:29dc6fe5c7bcb1128236a475b82a22c93b1e1ae8bbb0ef7f82e68093ff2e4093",)j"
    R"j("Command":"sleep 1000","Created":1795346143,"Ports":[{"IP":"0.0.0.0","PrivatePort":80,)j"
    R"j("PublicPort":8080,"Type":"tcp"},{"PrivatePort":81,"Type":"udp"}],"SizeRootFs":1982256,)j"
    R"j("Labels":{"a":"b"},"State":"running","Status":"Up 1 second (health: starting)",)j"
    R"j("HostConfig":{"NetworkMode":"none"},"NetworkSettings":{"Networks":{"none":{"IPAMConfig":null,)j"
    R"j("Links":null,"Aliases":null,"MacAddress":"","DriverOpts":null,"GwPriority":0,"NetworkID":"06bb",)j"
    R"j("EndpointID":"4d2f","Gateway":"","IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"",)j"
    R"j("GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"DNSNames":null}}},"Mounts":[{"Type":"volume",)j"
    R"j("Name":"data","Source":"/var/lib/docker/volumes/data/_data","Destination":"/data",)j"
    R"j("Driver":"local","Mode":"z","RW":true,"Propagation":""},{"Type":"bind","Source":"/tmp",)j"
    R"j("Destination":"/mnt","Mode":"","RW":true,"Propagation":"rslave"}]})j";

inline constexpr const char* kStats =
    R"j({"read":"2026-11-22T11:15:46.876817191Z","preread":"2026-11-22T11:15:45.874283029Z",)j"
    R"j("pids_stats":{"current":3},"blkio_stats":{"io_service_bytes_recursive":[],)j"
    R"j("io_serviced_recursive":[],"io_queue_recursive":[],"io_service_time_recursive":[],)j"
    R"j("io_wait_time_recursive":[],"io_merged_recursive":[],"io_time_recursive":[],)j"
    R"j("sectors_recursive":[]},"num_procs":0,"storage_stats":{},)j"
    R"j("cpu_stats":{"cpu_usage":{"total_usage":43242579,"percpu_usage":[32648327,10594252],)j"
    R"j("usage_in_kernelmode":20000000,"usage_in_usermode":10000000},"system_cpu_usage":45814420000000,)j"
    R"j("online_cpus":2,"throttling_data":{"periods":4,"throttled_periods":0,"throttled_time":0}},)j"
    R"j("precpu_stats":{"cpu_usage":{"total_usage":0,"usage_in_kernelmode":0,"usage_in_usermode":0},)j"
    R"j("throttling_data":{"periods":0,"throttled_periods":0,"throttled_time":0}},)j"
    R"j("memory_stats":{"usage":1150976,"max_usage":4345856,"stats":{"active_anon":12288,)j"
    R"j("cache":516096},"limit":73400320},"name":"/web","id":"81fb"})j";

/// Of a container that does not run.
inline constexpr const char* kNoStats =
    R"j({"read":"0001-01-01T00:00:00Z","preread":"0001-01-01T00:00:00Z","pids_stats":{},)j"
    R"j("blkio_stats":{"io_service_bytes_recursive":null,"io_serviced_recursive":null,)j"
    R"j("io_queue_recursive":null,"io_service_time_recursive":null,"io_wait_time_recursive":null,)j"
    R"j("io_merged_recursive":null,"io_time_recursive":null,"sectors_recursive":null},"num_procs":0,)j"
    R"j("storage_stats":{},"cpu_stats":{"cpu_usage":{"total_usage":0,"usage_in_kernelmode":0,)j"
    R"j("usage_in_usermode":0},"throttling_data":{"periods":0,"throttled_periods":0,)j"
    R"j("throttled_time":0}},"precpu_stats":{"cpu_usage":{"total_usage":0,"usage_in_kernelmode":0,)j"
    R"j("usage_in_usermode":0},"throttling_data":{"periods":0,"throttled_periods":0,)j"
    R"j("throttled_time":0}},"memory_stats":{},"name":"/web","id":"81fb"})j";

inline constexpr const char* kExec =
    R"j({"ID":"1627","Running":true,"ExitCode":null,"ProcessConfig":{"tty":false,"entrypoint":"sleep",)j"
    R"j("arguments":["50"],"privileged":false},"OpenStdin":false,"OpenStderr":false,"OpenStdout":false,)j"
    R"j("CanRemove":false,"ContainerID":"81fb","DetachKeys":"","Pid":18417})j";

}  // namespace berth::spec::api::sample
