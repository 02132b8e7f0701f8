// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>
#include <sys/stat.h>
#include <boost/describe/enum_to_string.hpp>

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "runtime/seccomp.h"
#include "runtime/sysctl.h"
#include "runtime/validate.h"
#include "runtime/validate_fields.h"

namespace berth::runtime {

namespace {

using spec::NamespaceType;

std::string_view name_of(NamespaceType type) {
    return boost::describe::enum_to_string(type, "?");
}

void check_namespaces(const spec::Config& config) {
    const auto& namespaces = config.linux_->namespaces;
    for (size_t i = 0; i < namespaces.size(); ++i) {
        std::string field = fmt::format("linux.namespaces[{}]", i);
        for (size_t j = 0; j < i; ++j)
            if (namespaces[j].type == namespaces[i].type)
                fail_field(field, fmt::format("the type {} is given twice", name_of(namespaces[i].type)));
        if (!namespaces[i].path.empty()) check_absolute(namespaces[i].path, field + ".path");
    }
}

void check_user_namespace(const spec::Config& config) {
    const spec::Linux& linux = *config.linux_;
    check_id_mappings(linux.uidMappings, "linux.uidMappings");
    check_id_mappings(linux.gidMappings, "linux.gidMappings");
    const spec::Namespace* user = find_namespace(config, NamespaceType::user);
    bool has_mappings = !linux.uidMappings.empty() || !linux.gidMappings.empty();
    if (!user) {
        if (has_mappings)
            fail_field(linux.uidMappings.empty() ? "linux.gidMappings" : "linux.uidMappings",
                       "needs a user namespace");
        return;
    }
    // A joined one has its mappings already; podman and others name them all the same.
    if (!user->path.empty()) return;
    if (linux.uidMappings.empty()) fail_field("linux.uidMappings", "a new user namespace needs them");
    if (linux.gidMappings.empty()) fail_field("linux.gidMappings", "a new user namespace needs them");
}

void check_time_offsets(const spec::Config& config) {
    const auto& offsets = config.linux_->timeOffsets;
    if (offsets.empty()) return;
    const spec::Namespace* time = find_namespace(config, NamespaceType::time);
    if (!time) fail_field("linux.timeOffsets", "needs a time namespace");
    if (!time->path.empty())
        fail_field("linux.timeOffsets", "cannot be set in a time namespace that is joined");
    for (const auto& [clock, offset] : offsets) {
        std::string field = "linux.timeOffsets." + clock;
        if (clock != "monotonic" && clock != "boottime")
            fail_field(field, "unknown clock: only monotonic and boottime have offsets");
        if (offset.nanosecs >= 1'000'000'000) fail_field(field + ".nanosecs", "must be below 1000000000");
    }
}

void check_devices(const std::vector<spec::Device>& devices) {
    for (size_t i = 0; i < devices.size(); ++i) {
        const spec::Device& device = devices[i];
        std::string field = fmt::format("linux.devices[{}]", i);
        if (device.type != "c" && device.type != "u" && device.type != "b" && device.type != "p")
            fail_field(field + ".type", fmt::format("{}: must be c, u, b or p", quote(device.type)));
        check_absolute(device.path, field + ".path");
        if (device.type != "p") {
            // Of dev_t: 12 bits and 20 bits.
            if (!device.major) fail_field(field + ".major", "is required");
            if (!device.minor) fail_field(field + ".minor", "is required");
            if (*device.major < 0 || *device.major > 0xfff)
                fail_field(field + ".major", "must be from 0 to 4095");
            if (*device.minor < 0 || *device.minor > 0xfffff)
                fail_field(field + ".minor", "must be from 0 to 1048575");
        }
        if (device.fileMode && (*device.fileMode & ~uint32_t{S_IFMT | 07777}) != 0)
            fail_field(field + ".fileMode", "is not a file mode");
        for (size_t j = 0; j < i; ++j) {
            const spec::Device& other = devices[j];
            if (other.path == device.path &&
                (other.type != device.type || other.major != device.major || other.minor != device.minor))
                fail_field(field + ".path", fmt::format("{} is another device at [{}]", device.path, j));
        }
    }
}

bool is_interface_name(std::string_view name) {
    return !name.empty() && name.size() <= 15 && name != "." && name != ".." &&
           std::ranges::none_of(name, [](char c) {
               return c == '/' || c == ':' || c == '\0' || c == ' ' || (c >= '\t' && c <= '\r');
           });
}

/// Whether the namespace file at `path` is the runtime's own network namespace.
bool is_own_network(const std::string& path) {
    struct stat own{}, other{};
    return stat("/proc/self/ns/net", &own) == 0 && stat(path.c_str(), &other) == 0 &&
           own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

bool has_own_network(const spec::Config& config) {
    const spec::Namespace* network = find_namespace(config, NamespaceType::network);
    return network && (network->path.empty() || !is_own_network(network->path));
}

void check_net_devices(const spec::Config& config) {
    const auto& devices = config.linux_->netDevices;
    if (!devices.empty() && !has_own_network(config))
        fail_field("linux.netDevices", "needs a network namespace that is not the host's");
    std::vector<std::string> names;
    for (const auto& [host_name, device] : devices) {
        std::string field = "linux.netDevices." + host_name;
        if (!is_interface_name(host_name))
            fail_field("linux.netDevices",
                       fmt::format("{} is not the name of an interface", quote(host_name)));
        if (!device.name.empty() && !is_interface_name(device.name))
            fail_field(field + ".name",
                       fmt::format("{} is not the name of an interface", quote(device.name)));
        const std::string& name = device.name.empty() ? host_name : device.name;
        if (std::ranges::find(names, name) != names.end())
            fail_field(field, fmt::format("two devices are called {} in the container", quote(name)));
        names.push_back(name);
    }
}

void check_sysctl(const spec::Config& config) {
    for (const auto& [name, value] : config.linux_->sysctl) {
        std::string field = "linux.sysctl." + name;
        check_text(name, "linux.sysctl");
        check_text(value, field);
        auto path = sysctl_path(name);
        if (!path)
            fail_field("linux.sysctl", fmt::format("{} is not the name of a kernel parameter", quote(name)));
        auto type = sysctl_namespace(*path);
        if (!type) fail_field(field, "is not in a separate kernel namespace");
        if (*type == NamespaceType::network ? !has_own_network(config) : !has_namespace(config, *type))
            fail_field(field, fmt::format("needs a {} namespace that is not the host's", name_of(*type)));
        if (*path == "kernel/hostname" && !config.hostname.empty())
            fail_field(field, "conflicts with hostname");
        if (*path == "kernel/domainname" && !config.domainname.empty())
            fail_field(field, "conflicts with domainname");
    }
}

void check_paths(const std::vector<std::string>& paths, std::string_view field, const spec::Config& config) {
    if (!paths.empty() && !has_namespace(config, NamespaceType::mount))
        fail_field(field, "needs a mount namespace");
    for (size_t i = 0; i < paths.size(); ++i) check_absolute(paths[i], fmt::format("{}[{}]", field, i));
}

void check_propagation(const std::string& propagation) {
    constexpr std::array<std::string_view, 9> kKnown = {
        "", "private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable"};
    if (std::ranges::find(kKnown, propagation) == kKnown.end())
        fail_field("linux.rootfsPropagation", "unknown propagation " + quote(propagation));
}

void check_personality(const spec::Personality& personality) {
    if (personality.domain != "LINUX" && personality.domain != "LINUX32")
        fail_field("linux.personality.domain",
                   fmt::format("{}: must be LINUX or LINUX32", quote(personality.domain)));
    if (!personality.flags.empty()) fail_field("linux.personality.flags", "no flags are supported");
}

void check_memory_policy(const spec::MemoryPolicy& policy) {
    constexpr std::array<std::string_view, 7> kModes = {
        "MPOL_DEFAULT",   "MPOL_BIND",           "MPOL_INTERLEAVE", "MPOL_WEIGHTED_INTERLEAVE",
        "MPOL_PREFERRED", "MPOL_PREFERRED_MANY", "MPOL_LOCAL"};
    constexpr std::array<std::string_view, 3> kFlags = {"MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES",
                                                        "MPOL_F_STATIC_NODES"};
    if (std::ranges::find(kModes, policy.mode) == kModes.end())
        fail_field("linux.memoryPolicy.mode", "unknown mode " + quote(policy.mode));
    check_number_list(policy.nodes, "linux.memoryPolicy.nodes");
    for (size_t i = 0; i < policy.flags.size(); ++i)
        if (std::ranges::find(kFlags, policy.flags[i]) == kFlags.end())
            fail_field(fmt::format("linux.memoryPolicy.flags[{}]", i),
                       "unknown flag " + quote(policy.flags[i]));

    // set_mempolicy(2)
    auto has_flag = [&](std::string_view flag) {
        return std::ranges::find(policy.flags, flag) != policy.flags.end();
    };
    bool without_nodes = policy.mode == "MPOL_DEFAULT" || policy.mode == "MPOL_LOCAL";
    if (without_nodes && !policy.nodes.empty())
        fail_field("linux.memoryPolicy.nodes", policy.mode + " takes no nodes");
    if (!without_nodes && policy.mode != "MPOL_PREFERRED" && policy.nodes.empty())
        fail_field("linux.memoryPolicy.nodes", policy.mode + " needs nodes");
    if (has_flag("MPOL_F_RELATIVE_NODES") && has_flag("MPOL_F_STATIC_NODES"))
        fail_field("linux.memoryPolicy.flags",
                   "MPOL_F_RELATIVE_NODES and MPOL_F_STATIC_NODES exclude each other");
    if (has_flag("MPOL_F_NUMA_BALANCING") && policy.mode != "MPOL_BIND" &&
        policy.mode != "MPOL_PREFERRED_MANY")
        fail_field("linux.memoryPolicy.flags",
                   "MPOL_F_NUMA_BALANCING needs MPOL_BIND or MPOL_PREFERRED_MANY");
}

void check_intel_rdt(const spec::IntelRdt& rdt) {
    check_text(rdt.closID, "linux.intelRdt.closID");
    if (rdt.closID == "." || rdt.closID == ".." || rdt.closID.find('/') != std::string::npos)
        fail_field("linux.intelRdt.closID", quote(rdt.closID) + " is not the name of a group");
    if (rdt.l3CacheSchema.find('\n') != std::string::npos && rdt.l3CacheSchema.ends_with('\n'))
        fail_field("linux.intelRdt.l3CacheSchema", "must not end with a newline");
    if (!rdt.memBwSchema.empty() && (!rdt.memBwSchema.starts_with("MB:") || rdt.memBwSchema.contains('\n')))
        fail_field("linux.intelRdt.memBwSchema", "must be one line that starts with MB:");
    for (size_t i = 0; i < rdt.schemata.size(); ++i)
        if (rdt.schemata[i].contains('\n'))
            fail_field(fmt::format("linux.intelRdt.schemata[{}]", i), "must be one line");
}

}  // namespace

void check_linux(const spec::Config& config, const ValidateContext&) {
    const spec::Linux& linux = *config.linux_;
    check_namespaces(config);
    check_user_namespace(config);
    check_time_offsets(config);
    check_devices(linux.devices);
    check_net_devices(config);
    check_sysctl(config);
    check_paths(linux.maskedPaths, "linux.maskedPaths", config);
    check_paths(linux.readonlyPaths, "linux.readonlyPaths", config);
    check_propagation(linux.rootfsPropagation);
    check_text(linux.cgroupsPath, "linux.cgroupsPath");
    check_text(linux.mountLabel, "linux.mountLabel");
    if (linux.resources) validate_resources(*linux.resources);
    if (linux.seccomp) check_seccomp(*linux.seccomp);
    if (linux.personality) check_personality(*linux.personality);
    if (linux.memoryPolicy) check_memory_policy(*linux.memoryPolicy);
    if (linux.intelRdt) check_intel_rdt(*linux.intelRdt);
}

}  // namespace berth::runtime
