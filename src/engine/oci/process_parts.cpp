// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/process_parts.h"

#include <map>
#include <utility>

#include "engine/oci/capability_rules.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

std::string limit_type(const std::string& name) {
    std::string type = "RLIMIT_" + name;
    for (char& c : type)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return type;
}

}  // namespace

std::vector<spec::Rlimit> process_limits(const spec::api::HostConfig& host_config,
                                         const DaemonConfig& daemon) {
    // -1 is RLIM_INFINITY once it is unsigned.
    std::map<std::string, spec::Rlimit> by_name;
    for (const auto& [name, limit] : daemon.default_ulimits)
        by_name[name] = {limit_type(name), static_cast<uint64_t>(limit.hard),
                         static_cast<uint64_t>(limit.soft)};
    for (const auto& limit : spec::api::items(host_config.Ulimits))
        by_name[limit.Name] = {limit_type(limit.Name), static_cast<uint64_t>(limit.Hard),
                               static_cast<uint64_t>(limit.Soft)};
    std::vector<spec::Rlimit> result;
    for (auto& [name, limit] : by_name) result.push_back(std::move(limit));
    return result;
}

std::string working_folder(const std::string& path) {
    return path.empty() ? "/" : sys::clean_path(path);
}

spec::Process base_process(const std::string& id, spec::User user, const spec::api::HostConfig& host_config,
                           const SecurityOptions& options, uint64_t capabilities, const DaemonConfig& daemon,
                           const HostFacts& host) {
    spec::Process process;
    process.capabilities = capability_lists(capabilities, user.uid);
    process.user = std::move(user);
    process.rlimits = process_limits(host_config, daemon);
    process.noNewPrivileges = options.no_new_privileges.value_or(daemon.no_new_privileges);
    process.oomScoreAdj = host_config.OomScoreAdj;
    process.apparmorProfile = apparmor_profile(options, host_config.Privileged, host);
    process.selinuxLabel = selinux_labels(options, id, host_config.Privileged, daemon, host).process;
    return process;
}

}  // namespace berth::engine
