// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

/// What a daemon runs with: the flags of `berth daemon`, which are dockerd's, and the keys of its
/// daemon.json, merged, checked and with every default filled in. A plain value: services read the one that
/// the engine holds, on the control thread, at each use, because SIGHUP replaces it (engine/config/reload.h
/// says which members can change).
namespace berth::engine {

/// A soft and a hard limit; -1: unlimited.
struct UlimitSetting {
    std::string name;  ///< "nofile"
    int64_t soft = 0;
    int64_t hard = 0;
};

/// An OCI runtime that HostConfig.Runtime can name.
struct RuntimeSetting {
    std::string path;  ///< of the program
    std::vector<std::string> args;
    std::string type;  ///< containerd's shim type; such a runtime can't be used here
};

/// Networks without a subnet of their own get one of `size` bits out of `base`.
struct AddressPoolSetting {
    std::string base;  ///< "10.10.0.0/16"
    int size = 0;
};

struct TlsSetting {
    bool enabled = false;
    bool verify = false;  ///< clients must show a certificate of `ca`
    std::string ca, certificate, key;
};

/// The default bridge network, for the networks' services.
struct BridgeSetting {
    std::string name;                 ///< "": the daemon's own; "none": no default network
    std::string address, address_v6;  ///< --bip, --bip6: "172.20.0.1/16"
    std::string fixed_cidr, fixed_cidr_v6;
    std::string gateway, gateway_v6;
    std::string host_ip = "0.0.0.0";  ///< --ip: where its ports are published
    bool inter_container = true;
    bool ipv6 = false;
    int mtu = 0;  ///< 0: not set
};

struct NetworkSetting {
    BridgeSetting bridge;
    bool iptables = true, ip6tables = true;
    bool ip_forward = true, ip_forward_no_drop = false;
    bool ip_masq = true;
    bool userland_proxy = true;
    std::string userland_proxy_path;
    bool allow_direct_routing = false;
    /// Where ports are published that name no address, on networks whose options name none; at most one for
    /// each family; none: every address.
    std::vector<std::string> publish_addresses;
    /// One marked rule in each chain of other firewalls that drops what is forwarded lets containers through.
    bool forward_accept = true;
    std::string firewall_backend, accept_fwmark;
    std::vector<AddressPoolSetting> address_pools;
    std::map<std::string, std::map<std::string, std::string>> default_options;  ///< by driver
    std::vector<std::string> dns, dns_options, dns_search;
    std::vector<std::string> host_gateway_ips;
};

struct DaemonConfig {
    // --- the process -------------------------------------------------------------------------------------
    std::string config_file;                   ///< the daemon.json that was read; "": none
    std::string data_root = "/var/lib/berth";  ///< absolute, without links
    std::string exec_root = "/run/berth";
    std::string pidfile = "/run/berth.pid";  ///< "": none
    std::vector<std::string> hosts;          ///< "unix:///run/berth.sock", "tcp://127.0.0.1:2375", "fd://"
    bool allow_insecure_tcp = false;         ///< plain tcp on addresses that others reach
    std::string group;                       ///< of the unix sockets, as it was asked for; "": the default
    TlsSetting tls;
    std::string metrics_address;  ///< "": /metrics is on no port of its own
    bool debug = false;
    std::string log_level = "info";  ///< debug, info, warn, error, fatal
    std::string log_format = "text";
    bool raw_logs = false;
    int oom_score_adjust = 0;
    int shutdown_timeout = 15;  ///< seconds that containers have at the end; -1: no limit
    bool live_restore = true;   ///< containers go on when the daemon ends
    bool experimental = false;
    std::vector<std::string> labels;  ///< "key=value", each key once
    std::map<std::string, bool> features;

    // --- images ------------------------------------------------------------------------------------------
    std::vector<std::string> registry_mirrors, insecure_registries;
    int max_concurrent_downloads = 3, max_concurrent_uploads = 5, max_download_attempts = 5;
    std::string http_proxy, https_proxy, no_proxy;
    std::string storage_driver = "overlay2";
    std::vector<std::string> storage_options;  ///< "key=value"

    // --- defaults of containers --------------------------------------------------------------------------
    /// Never empty: "/docker" as given, or "/berth-<8 digits>" by the exec root, so that daemons beside each
    /// other don't meet.
    std::string cgroup_parent;
    std::string cgroup_driver = "cgroupfs";          ///< or "systemd" (--exec-opt native.cgroupdriver)
    std::vector<std::string> exec_options;           ///< "native.cgroupdriver=cgroupfs", as given
    std::string default_runtime = "runc";            ///< "runc" is Berth's own
    std::map<std::string, RuntimeSetting> runtimes;  ///< registered, without Berth's own
    std::map<std::string, UlimitSetting> default_ulimits;
    int64_t default_shm_size = 64 << 20;       ///< bytes
    std::string default_ipc_mode = "private";  ///< or "shareable"
    std::string default_cgroupns_mode;         ///< "host" or "private"
    std::string log_driver = "json-file";
    std::map<std::string, std::string> log_options;
    bool init = false;
    std::string init_path;                    ///< "": Berth's own init
    std::string seccomp_profile = "builtin";  ///< or "unconfined", or a file
    bool selinux = false;
    bool no_new_privileges = false;
    std::string userns_remap;
    int64_t cpu_rt_period = 0, cpu_rt_runtime = 0;  ///< microseconds; 0: not set
    std::vector<std::string> node_generic_resources, cdi_spec_dirs;

    NetworkSetting network;
};

}  // namespace berth::engine
