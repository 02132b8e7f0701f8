// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// The daemon's options: every flag of `berth daemon` and every key of daemon.json, which are dockerd's. One
/// line for each; the command line, help, the file's checks and the merge all follow this table.
namespace berth::engine {

struct Option {
    enum class Kind {
        boolean,
        number,
        text,
        list,      ///< a flag may come several times; an array of strings in the file
        map,       ///< key=value; an object of strings in the file
        bytes,     ///< "64m"
        ulimits,   ///< name=soft[:hard]; an object of {"Name", "Soft", "Hard"}
        runtimes,  ///< name=path; an object of {"path", "runtimeArgs", "runtimeType"}
        pools,     ///< base=10.0.0.0/8,size=24; an array of {"base", "size"}
        features,  ///< name[=bool]; an object of booleans
        nested,    ///< driver=key=value; an object of objects of strings
        ignored,   ///< any JSON; of no effect here
    };

    std::string_view flag;  ///< "": a key of the file only
    char shorthand = 0;
    std::string_view key = {};  ///< in the file; "": the flag's name
    Kind kind = Kind::text;
    std::string_view usage = {};
    std::string_view type = {};          ///< of the value, in help
    std::string_view default_text = {};  ///< in help
    bool hidden = false;

    constexpr std::string_view file_key() const { return key.empty() ? flag : key; }
};

// clang-format off
inline constexpr std::array kOptions = {
    Option{.flag = "add-runtime", .key = "runtimes", .kind = Option::Kind::runtimes, .usage = "Register an additional OCI compatible runtime", .type = "runtime"},
    Option{.flag = "allow-direct-routing", .kind = Option::Kind::boolean, .usage = "Allow remote access to published ports on container IP addresses"},
    Option{.flag = "allow-insecure-tcp", .kind = Option::Kind::boolean, .usage = "Allow a tcp address that others can reach without --tlsverify: gives root to everyone who reaches it"},
    Option{.flag = "allow-nondistributable-artifacts", .kind = Option::Kind::list, .usage = "Of no effect", .hidden = true},
    Option{.flag = "api-cors-header", .usage = "Removed", .hidden = true},
    Option{.flag = "authorization-plugin", .key = "authorization-plugins", .kind = Option::Kind::list, .usage = "Authorization plugins to load", .hidden = true},
    Option{.flag = "bip", .usage = "IPv4 address for the default bridge"},
    Option{.flag = "bip6", .usage = "IPv6 address for the default bridge"},
    Option{.flag = "bridge", .shorthand = 'b', .usage = "Attach containers to a network bridge; it is made if there is none"},
    Option{.flag = "bridge-accept-fwmark", .usage = "Accept packets with this firewall mark/mask in bridge networks"},
    Option{.flag = "cdi-spec-dir", .key = "cdi-spec-dirs", .kind = Option::Kind::list, .usage = "CDI specification directories to use"},
    Option{.flag = "cgroup-parent", .usage = "Set parent cgroup for all containers"},
    Option{.flag = "containerd", .usage = "Of no effect", .hidden = true},
    Option{.flag = "containerd-namespace", .usage = "Of no effect", .hidden = true},
    Option{.flag = "containerd-plugins-namespace", .key = "containerd-plugin-namespace", .usage = "Of no effect", .hidden = true},
    Option{.flag = "cpu-rt-period", .kind = Option::Kind::number, .usage = "Limit the CPU real-time period in microseconds for the parent cgroup for all containers (not supported with cgroups v2)"},
    Option{.flag = "cpu-rt-runtime", .kind = Option::Kind::number, .usage = "Limit the CPU real-time runtime in microseconds for the parent cgroup for all containers (not supported with cgroups v2)"},
    Option{.flag = "cri-containerd", .kind = Option::Kind::boolean, .usage = "Of no effect", .hidden = true},
    Option{.flag = "data-root", .usage = "Root directory of persistent state", .default_text = "/var/lib/berth"},
    Option{.flag = "debug", .shorthand = 'D', .kind = Option::Kind::boolean, .usage = "Enable debug mode"},
    Option{.flag = "default-address-pool", .key = "default-address-pools", .kind = Option::Kind::pools, .usage = "Default address pools for node specific local networks", .type = "pool-options"},
    Option{.flag = "default-cgroupns-mode", .usage = "Default mode for containers cgroup namespace (\"host\" | \"private\")"},
    Option{.flag = "default-gateway", .usage = "Default gateway IPv4 address for the default bridge network", .type = "ip"},
    Option{.flag = "default-gateway-v6", .usage = "Default gateway IPv6 address for the default bridge network", .type = "ip"},
    Option{.flag = "default-ipc-mode", .usage = "Default mode for containers ipc (\"shareable\" | \"private\")", .default_text = "private"},
    Option{.flag = "default-network-opt", .key = "default-network-opts", .kind = Option::Kind::nested, .usage = "Default network options", .type = "mapmap"},
    Option{.flag = "default-publish-ip", .kind = Option::Kind::list, .usage = "Host IP for port publishing from all networks where neither the port nor the network names one (one for each family); --ip is the default bridge's", .type = "ip"},
    Option{.flag = "default-runtime", .usage = "Default OCI runtime for containers", .default_text = "runc"},
    Option{.flag = "default-shm-size", .kind = Option::Kind::bytes, .usage = "Default shm size for containers", .type = "bytes", .default_text = "64MiB"},
    Option{.flag = "default-ulimit", .key = "default-ulimits", .kind = Option::Kind::ulimits, .usage = "Default ulimits for containers", .type = "ulimit"},
    Option{.flag = "dns", .kind = Option::Kind::list, .usage = "DNS server to use"},
    Option{.flag = "dns-opt", .key = "dns-opts", .kind = Option::Kind::list, .usage = "DNS options to use"},
    Option{.flag = "dns-search", .kind = Option::Kind::list, .usage = "DNS search domains to use"},
    Option{.flag = "exec-opt", .key = "exec-opts", .kind = Option::Kind::list, .usage = "Runtime execution options"},
    Option{.flag = "exec-root", .usage = "Root directory for execution state files", .default_text = "/run/berth"},
    Option{.flag = "experimental", .kind = Option::Kind::boolean, .usage = "Enable experimental features"},
    Option{.flag = "feature", .key = "features", .kind = Option::Kind::features, .usage = "Enable feature in the daemon", .type = "map"},
    Option{.flag = "firewall-backend", .usage = "Firewall backend to use, iptables or nftables"},
    Option{.flag = "fixed-cidr", .usage = "IPv4 subnet for the default bridge network"},
    Option{.flag = "fixed-cidr-v6", .usage = "IPv6 subnet for the default bridge network"},
    Option{.flag = "forward-accept", .kind = Option::Kind::boolean, .usage = "Let containers' traffic through other firewalls that drop what is forwarded (ufw, firewalld, Docker), by one marked rule in each", .default_text = "true"},
    Option{.flag = "group", .shorthand = 'G', .usage = "Group for the unix socket (default \"berth\"; root where there is none)"},
    Option{.flag = "host", .shorthand = 'H', .key = "hosts", .kind = Option::Kind::list, .usage = "Daemon socket(s) to connect to (default unix:///run/berth.sock)"},
    Option{.flag = "host-gateway-ip", .key = "host-gateway-ips", .kind = Option::Kind::list, .usage = "IP addresses that the special 'host-gateway' string in --add-host resolves to. Defaults to the IP addresses of the default bridge"},
    Option{.flag = "http-proxy", .usage = "HTTP proxy URL to use for outgoing traffic"},
    Option{.flag = "https-proxy", .usage = "HTTPS proxy URL to use for outgoing traffic"},
    Option{.flag = "icc", .kind = Option::Kind::boolean, .usage = "Enable inter-container communication for the default bridge network", .default_text = "true"},
    Option{.flag = "init", .kind = Option::Kind::boolean, .usage = "Run an init in the container to forward signals and reap processes"},
    Option{.flag = "init-path", .usage = "Path to an init binary (default: Berth's own)"},
    Option{.flag = "insecure-registry", .key = "insecure-registries", .kind = Option::Kind::list, .usage = "Enable insecure registry communication"},
    Option{.flag = "ip", .usage = "Host IP for port publishing from the default bridge network", .type = "ip", .default_text = "0.0.0.0"},
    Option{.flag = "ip-forward", .kind = Option::Kind::boolean, .usage = "Enable IP forwarding in system configuration", .default_text = "true"},
    Option{.flag = "ip-forward-no-drop", .kind = Option::Kind::boolean, .usage = "Do not set the filter-FORWARD policy to DROP when enabling IP forwarding"},
    Option{.flag = "ip-masq", .kind = Option::Kind::boolean, .usage = "Enable IP masquerading for the default bridge network", .default_text = "true"},
    Option{.flag = "ip6tables", .kind = Option::Kind::boolean, .usage = "Enable addition of ip6tables rules", .default_text = "true"},
    Option{.flag = "iptables", .kind = Option::Kind::boolean, .usage = "Enable addition of iptables rules", .default_text = "true"},
    Option{.flag = "ipv6", .kind = Option::Kind::boolean, .usage = "Enable IPv6 networking for the default bridge network"},
    Option{.flag = "label", .key = "labels", .kind = Option::Kind::list, .usage = "Set key=value labels to the daemon"},
    Option{.flag = "live-restore", .kind = Option::Kind::boolean, .usage = "Containers go on when the daemon ends", .default_text = "true"},
    Option{.flag = "log-driver", .usage = "Default driver for container logs", .default_text = "json-file"},
    Option{.flag = "log-format", .usage = "Set the logging format (\"text\"|\"json\")", .default_text = "text"},
    Option{.flag = "log-level", .shorthand = 'l', .usage = "Set the logging level (\"debug\"|\"info\"|\"warn\"|\"error\"|\"fatal\")", .default_text = "info"},
    Option{.flag = "log-opt", .key = "log-opts", .kind = Option::Kind::map, .usage = "Default log driver options for containers", .type = "map"},
    Option{.flag = "max-concurrent-downloads", .kind = Option::Kind::number, .usage = "Set the max concurrent downloads", .default_text = "3"},
    Option{.flag = "max-concurrent-uploads", .kind = Option::Kind::number, .usage = "Set the max concurrent uploads", .default_text = "5"},
    Option{.flag = "max-download-attempts", .kind = Option::Kind::number, .usage = "Set the max download attempts for each pull", .default_text = "5"},
    Option{.flag = "metrics-addr", .usage = "Set default address and port to serve the metrics api on"},
    Option{.flag = "mtu", .kind = Option::Kind::number, .usage = "Set the MTU for the default \"bridge\" network"},
    Option{.flag = "network-control-plane-mtu", .kind = Option::Kind::number, .usage = "Of no effect", .hidden = true},
    Option{.flag = "network-diagnostic-port", .kind = Option::Kind::number, .usage = "Of no effect", .hidden = true},
    Option{.flag = "no-new-privileges", .kind = Option::Kind::boolean, .usage = "Set no-new-privileges by default for new containers"},
    Option{.flag = "no-proxy", .usage = "Comma-separated list of hosts or IP addresses for which the proxy is skipped"},
    Option{.flag = "node-generic-resource", .key = "node-generic-resources", .kind = Option::Kind::list, .usage = "Advertise user-defined resource", .hidden = true},
    Option{.flag = "oom-score-adjust", .kind = Option::Kind::number, .usage = "Set the oom_score_adj for the daemon"},
    Option{.flag = "pidfile", .shorthand = 'p', .usage = "Path to use for daemon PID file", .default_text = "/run/berth.pid"},
    Option{.flag = "raw-logs", .kind = Option::Kind::boolean, .usage = "Full timestamps without ANSI coloring"},
    Option{.flag = "registry-mirror", .key = "registry-mirrors", .kind = Option::Kind::list, .usage = "Preferred registry mirror"},
    Option{.flag = "rootless", .kind = Option::Kind::boolean, .usage = "Not built yet", .hidden = true},
    Option{.flag = "seccomp-profile", .usage = "Path to seccomp profile. Set to \"unconfined\" to disable the default seccomp profile", .default_text = "builtin"},
    Option{.flag = "selinux-enabled", .kind = Option::Kind::boolean, .usage = "Enable selinux support"},
    Option{.flag = "shutdown-timeout", .kind = Option::Kind::number, .usage = "Set the default shutdown timeout", .default_text = "15"},
    Option{.flag = "storage-driver", .shorthand = 's', .usage = "Storage driver to use (overlay2)"},
    Option{.flag = "storage-opt", .key = "storage-opts", .kind = Option::Kind::list, .usage = "Storage driver options"},
    Option{.flag = "swarm-default-advertise-addr", .usage = "Of no effect", .hidden = true},
    Option{.flag = "tls", .kind = Option::Kind::boolean, .usage = "Use TLS; implied by --tlsverify"},
    Option{.flag = "tlscacert", .usage = "Trust certs signed only by this CA", .default_text = "~/.docker/ca.pem"},
    Option{.flag = "tlscert", .usage = "Path to TLS certificate file", .default_text = "~/.docker/cert.pem"},
    Option{.flag = "tlskey", .usage = "Path to TLS key file", .default_text = "~/.docker/key.pem"},
    Option{.flag = "tlsverify", .kind = Option::Kind::boolean, .usage = "Use TLS and verify the remote"},
    Option{.flag = "userland-proxy", .kind = Option::Kind::boolean, .usage = "Use userland proxy for loopback traffic", .default_text = "true"},
    Option{.flag = "userland-proxy-path", .usage = "Of no effect", .hidden = true},
    Option{.flag = "userns-remap", .usage = "User/Group setting for user namespaces"},
    // What only the file has.
    Option{.flag = "", .key = "builder", .kind = Option::Kind::ignored},
    Option{.flag = "", .key = "default-init", .kind = Option::Kind::ignored},
    Option{.flag = "", .key = "deprecated-key-path", .kind = Option::Kind::ignored},
    Option{.flag = "", .key = "host-gateway-ip", .kind = Option::Kind::text},
    Option{.flag = "", .key = "resolv-conf", .kind = Option::Kind::ignored},
    Option{.flag = "", .key = "swarm-raft-election-tick", .kind = Option::Kind::ignored},
    Option{.flag = "", .key = "swarm-raft-heartbeat-tick", .kind = Option::Kind::ignored},
};
// clang-format on

/// The option whose key in the file is `key`; null where there is none.
const Option* find_by_key(std::string_view key);

/// The flags that the command line gave, by name, each with its values in their order ("true" for --debug).
using FlagValues = std::map<std::string, std::vector<std::string>>;

}  // namespace berth::engine
