// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/create_rules.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/byte_size.h"
#include "base/error.h"
#include "base/strings.h"
#include "engine/oci/capability_rules.h"
#include "engine/oci/config_builder.h"
#include "engine/oci/create_checks.h"
#include "engine/oci/image_merge.h"
#include "engine/oci/modes.h"
#include "engine/oci/security_options.h"

namespace berth::engine {

namespace {

using spec::api::HostConfig;
using spec::api::items;

/// A 400 as of dockerd: what was not found is not what the request is about.
Error no_such_container(std::string_view reference) {
    return make_error(ErrorKind::invalid_argument, "No such container: {}", reference);
}

/// "container:name" becomes "container:<id>": it means the same container after a rename.
void pin_container(std::string& mode, const CreateFacts& facts, bool required) {
    std::string_view reference = joined_container(mode);
    if (reference.empty()) return;
    auto id = facts.container_id ? facts.container_id(reference) : std::nullopt;
    if (id)
        mode = "container:" + *id;
    else if (required)
        throw no_such_container(reference);
}

void fill_defaults(HostConfig& host_config, const CreateFacts& facts) {
    const DaemonConfig& daemon = facts.daemon;
    if (host_config.Memory > 0 && host_config.MemorySwap == 0) {
        bool is_boundless = host_config.Memory > std::numeric_limits<int64_t>::max() / 2;
        host_config.MemorySwap = is_boundless ? -1 : host_config.Memory * 2;
    }
    if (host_config.ShmSize == 0) host_config.ShmSize = daemon.default_shm_size;
    if (host_config.IpcMode.empty()) host_config.IpcMode = daemon.default_ipc_mode;
    if (host_config.CgroupnsMode.empty()) {
        // A privileged container on v1 manages the host's cgroups, as it always did.
        bool sees_host = host_config.Privileged && facts.host.cgroup_version == 1;
        host_config.CgroupnsMode = sees_host ? "host" : daemon.default_cgroupns_mode;
    }
    if (host_config.Runtime.empty()) host_config.Runtime = daemon.default_runtime;
    if (!host_config.OomKillDisable && facts.host.oom_kill_disable) host_config.OomKillDisable = false;
    if (host_config.PidsLimit && *host_config.PidsLimit <= 0) host_config.PidsLimit.reset();
    if (host_config.ConsoleSize.empty()) host_config.ConsoleSize = {0, 0};
    if (is_default_network(host_config.NetworkMode)) host_config.NetworkMode = "bridge";

    if (host_config.CapAdd) host_config.CapAdd = normalize_capabilities(*host_config.CapAdd, "CapAdd");
    if (host_config.CapDrop) host_config.CapDrop = normalize_capabilities(*host_config.CapDrop, "CapDrop");

    // The host's namespaces, or all rights: labels would only be in the way, but for those that were asked
    // for.
    bool is_open = host_config.IpcMode == "host" || host_config.PidMode == "host" || host_config.Privileged;
    if (is_open && parse_security_options(items(host_config.SecurityOpt)).labels.empty()) {
        if (!host_config.SecurityOpt) host_config.SecurityOpt.emplace();
        host_config.SecurityOpt->emplace_back("label=disable");
    }
    if (parse_security_options(items(host_config.SecurityOpt)).unconfined_paths) {
        host_config.MaskedPaths.emplace();
        host_config.ReadonlyPaths.emplace();
    }
    if (!host_config.Privileged) {
        if (!host_config.MaskedPaths) host_config.MaskedPaths = default_masked_paths(facts.host);
        if (!host_config.ReadonlyPaths) host_config.ReadonlyPaths = default_readonly_paths();
    }
}

/// "container" or "container:alias".
void check_links(const HostConfig& host_config, const CreateFacts& facts) {
    for (const std::string& link : items(host_config.Links)) {
        auto parts = split(link, ':');
        if (parts.empty() || parts.size() > 2 || parts[0].empty() || parts.back().empty())
            throw make_error(ErrorKind::invalid_argument, "bad format for links: {}", link);
        if (!facts.container_id || !facts.container_id(parts[0]))
            throw no_such_container(parts[0]).add_context(
                fmt::format("could not get container for {}", parts[0]));
    }
}

uint64_t read_quota(const HostConfig& host_config) {
    uint64_t quota = 0;
    for (const auto& [key, value] : host_config.StorageOpt) {
        if (key != "size") throw make_error(ErrorKind::invalid_argument, "Unknown option {}", key);
        auto bytes = parse_byte_size(value);
        if (!bytes) throw make_error(ErrorKind::invalid_argument, "invalid size: '{}'", value);
        quota = static_cast<uint64_t>(*bytes);
    }
    return quota;
}

void choose_hostname(CreatePlan& plan, const CreateFacts& facts) {
    if (!plan.config.Hostname.empty()) return;
    if (plan.host_config.NetworkMode == "host")
        plan.config.Hostname = facts.host.hostname;
    else
        plan.config.Hostname = facts.id.substr(0, 12);
}

}  // namespace

CreatePlan apply_create_rules(const CreateFacts& facts, spec::api::ContainerCreateRequest request) {
    CreatePlan plan;
    plan.host_config = std::move(request.HostConfig_).value_or(HostConfig());
    plan.networking = std::move(request.NetworkingConfig_).value_or(spec::api::NetworkingConfig());
    plan.config = std::move(static_cast<spec::api::ContainerConfig&>(request));

    check_network_mode(plan.config, plan.host_config);
    check_container_config(plan.config);
    check_host_config(plan.host_config);
    plan.warnings = check_resources(plan.host_config, facts.host, false);
    check_platform_config(plan.host_config, facts.daemon, facts.host, plan.warnings);

    fill_defaults(plan.host_config, facts);
    pin_container(plan.host_config.IpcMode, facts, true);
    pin_container(plan.host_config.PidMode, facts, true);
    // Docker takes a network of a container that isn't there, and says so at the start.
    pin_container(plan.host_config.NetworkMode, facts, false);

    if (facts.image) merge_image_config(plan.config, *facts.image);
    Command command = resolve_command(plan.config);
    plan.path = std::move(command.path);
    plan.args = std::move(command.args);
    choose_hostname(plan, facts);

    check_links(plan.host_config, facts);
    plan.quota_bytes = read_quota(plan.host_config);
    return plan;
}

}  // namespace berth::engine
