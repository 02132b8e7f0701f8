// SPDX-License-Identifier: Apache-2.0
#include "runtime/features.h"

#include <seccomp.h>

#include "base/json.h"
#include "runtime/capabilities.h"
#include "runtime/mount_options.h"
#include "runtime/seccomp_names.h"
#include "spec/runtime.h"

namespace berth::runtime {

namespace {

using json::Array;
using json::Object;

template <typename Names>
Array strings(const Names& names) {
    Array array;
    for (std::string_view name : names) array.emplace_back(name);
    return array;
}

/// The names in a table of seccomp's whose value is among `mask`, or all of them.
Array seccomp_strings(std::span<const SeccompName> table, uint32_t mask = ~uint32_t{0},
                      bool zero_too = true) {
    Array array;
    for (const SeccompName& one : table)
        if ((one.value & mask) != 0 || (one.value == 0 && zero_too)) array.emplace_back(one.name);
    return array;
}

Array namespaces() {
    Array array;
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<spec::NamespaceType>>(
        [&](auto type) { array.emplace_back(type.name); });
    return array;
}

Object seccomp() {
    return {
        {"enabled", true},
        {"actions", seccomp_strings(seccomp_actions())},
        {"operators", seccomp_strings(seccomp_operators())},
        {"archs", seccomp_strings(seccomp_architectures(), ~uint32_t{0}, false)},
        {"knownFlags", seccomp_strings(seccomp_flags())},
        {"supportedFlags", seccomp_strings(seccomp_flags(), supported_seccomp_flags())},
    };
}

Object enabled() {
    return {{"enabled", true}};
}

Object linux_features() {
    return {
        {"namespaces", namespaces()},
        {"capabilities", strings(capability_names())},
        {"cgroup",
         Object{{"v1", true}, {"v2", true}, {"systemd", false}, {"systemdUser", false}, {"rdma", true}}},
        {"seccomp", seccomp()},
        {"apparmor", enabled()},
        {"selinux", enabled()},
        {"intelRdt", enabled()},
        {"mountExtensions", Object{{"idmap", enabled()}}},
        {"netDevices", enabled()},
    };
}

}  // namespace

std::string features_json() {
    const scmp_version* version = seccomp_version();
    Object features{
        {"ociVersionMin", "1.0.0"},
        {"ociVersionMax", spec::kRuntimeSpecVersion},
        {"hooks",
         Array{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}},
        {"mountOptions", strings(known_mount_options())},
        {"linux", linux_features()},
        {"annotations",
         Object{
             {"io.github.seccomp.libseccomp.version",
              fmt::format("{}.{}.{}", version->major, version->minor, version->micro)},
             {"berth.version", BERTH_VERSION},
         }},
        // No annotation changes what a container is.
        {"potentiallyUnsafeConfigAnnotations", Array{}},
    };
    return json::print_indented(features) + '\n';
}

}  // namespace berth::runtime
