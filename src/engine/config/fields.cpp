// SPDX-License-Identifier: Apache-2.0
#include "engine/config/fields.h"

#include <algorithm>
#include <array>

#include "engine/config/options.h"

namespace berth::engine {

namespace {

struct Field {
    std::string_view key;
    Target (*target)(DaemonConfig&);
};

#define BERTH_FIELD(key, member)                                           \
    Field {                                                                \
        key, [](DaemonConfig& config) -> Target { return &config.member; } \
    }

constexpr std::array kFields = {
    BERTH_FIELD("allow-direct-routing", network.allow_direct_routing),
    BERTH_FIELD("allow-insecure-tcp", allow_insecure_tcp),
    BERTH_FIELD("bip", network.bridge.address),
    BERTH_FIELD("bip6", network.bridge.address_v6),
    BERTH_FIELD("bridge", network.bridge.name),
    BERTH_FIELD("bridge-accept-fwmark", network.accept_fwmark),
    BERTH_FIELD("cdi-spec-dirs", cdi_spec_dirs),
    BERTH_FIELD("cgroup-parent", cgroup_parent),
    BERTH_FIELD("cpu-rt-period", cpu_rt_period),
    BERTH_FIELD("cpu-rt-runtime", cpu_rt_runtime),
    BERTH_FIELD("data-root", data_root),
    BERTH_FIELD("debug", debug),
    BERTH_FIELD("default-address-pools", network.address_pools),
    BERTH_FIELD("default-cgroupns-mode", default_cgroupns_mode),
    BERTH_FIELD("default-gateway", network.bridge.gateway),
    BERTH_FIELD("default-gateway-v6", network.bridge.gateway_v6),
    BERTH_FIELD("default-ipc-mode", default_ipc_mode),
    BERTH_FIELD("default-network-opts", network.default_options),
    BERTH_FIELD("default-publish-ip", network.publish_addresses),
    BERTH_FIELD("default-runtime", default_runtime),
    BERTH_FIELD("default-shm-size", default_shm_size),
    BERTH_FIELD("default-ulimits", default_ulimits),
    BERTH_FIELD("dns", network.dns),
    BERTH_FIELD("dns-opts", network.dns_options),
    BERTH_FIELD("dns-search", network.dns_search),
    BERTH_FIELD("exec-opts", exec_options),
    BERTH_FIELD("exec-root", exec_root),
    BERTH_FIELD("experimental", experimental),
    BERTH_FIELD("features", features),
    BERTH_FIELD("firewall-backend", network.firewall_backend),
    BERTH_FIELD("fixed-cidr", network.bridge.fixed_cidr),
    BERTH_FIELD("fixed-cidr-v6", network.bridge.fixed_cidr_v6),
    BERTH_FIELD("forward-accept", network.forward_accept),
    BERTH_FIELD("group", group),
    BERTH_FIELD("host-gateway-ips", network.host_gateway_ips),
    BERTH_FIELD("hosts", hosts),
    BERTH_FIELD("http-proxy", http_proxy),
    BERTH_FIELD("https-proxy", https_proxy),
    BERTH_FIELD("icc", network.bridge.inter_container),
    BERTH_FIELD("init", init),
    BERTH_FIELD("init-path", init_path),
    BERTH_FIELD("insecure-registries", insecure_registries),
    BERTH_FIELD("ip", network.bridge.host_ip),
    BERTH_FIELD("ip-forward", network.ip_forward),
    BERTH_FIELD("ip-forward-no-drop", network.ip_forward_no_drop),
    BERTH_FIELD("ip-masq", network.ip_masq),
    BERTH_FIELD("ip6tables", network.ip6tables),
    BERTH_FIELD("iptables", network.iptables),
    BERTH_FIELD("ipv6", network.bridge.ipv6),
    BERTH_FIELD("labels", labels),
    BERTH_FIELD("live-restore", live_restore),
    BERTH_FIELD("log-driver", log_driver),
    BERTH_FIELD("log-format", log_format),
    BERTH_FIELD("log-level", log_level),
    BERTH_FIELD("log-opts", log_options),
    BERTH_FIELD("max-concurrent-downloads", max_concurrent_downloads),
    BERTH_FIELD("max-concurrent-uploads", max_concurrent_uploads),
    BERTH_FIELD("max-download-attempts", max_download_attempts),
    BERTH_FIELD("metrics-addr", metrics_address),
    BERTH_FIELD("mtu", network.bridge.mtu),
    BERTH_FIELD("no-new-privileges", no_new_privileges),
    BERTH_FIELD("no-proxy", no_proxy),
    BERTH_FIELD("node-generic-resources", node_generic_resources),
    BERTH_FIELD("oom-score-adjust", oom_score_adjust),
    BERTH_FIELD("pidfile", pidfile),
    BERTH_FIELD("raw-logs", raw_logs),
    BERTH_FIELD("registry-mirrors", registry_mirrors),
    BERTH_FIELD("runtimes", runtimes),
    BERTH_FIELD("seccomp-profile", seccomp_profile),
    BERTH_FIELD("selinux-enabled", selinux),
    BERTH_FIELD("shutdown-timeout", shutdown_timeout),
    BERTH_FIELD("storage-driver", storage_driver),
    BERTH_FIELD("storage-opts", storage_options),
    BERTH_FIELD("tls", tls.enabled),
    BERTH_FIELD("tlscacert", tls.ca),
    BERTH_FIELD("tlscert", tls.certificate),
    BERTH_FIELD("tlskey", tls.key),
    BERTH_FIELD("tlsverify", tls.verify),
    BERTH_FIELD("userland-proxy", network.userland_proxy),
    BERTH_FIELD("userland-proxy-path", network.userland_proxy_path),
    BERTH_FIELD("userns-remap", userns_remap),
};

#undef BERTH_FIELD

static_assert(std::ranges::is_sorted(kFields, {}, &Field::key));

}  // namespace

Target target_of(DaemonConfig& config, std::string_view key) {
    auto found = std::ranges::lower_bound(kFields, key, {}, &Field::key);
    return found != kFields.end() && found->key == key ? found->target(config) : Target{};
}

const Option* find_by_key(std::string_view key) {
    auto found = std::ranges::find(kOptions, key, &Option::file_key);
    return found == kOptions.end() ? nullptr : &*found;
}

}  // namespace berth::engine
