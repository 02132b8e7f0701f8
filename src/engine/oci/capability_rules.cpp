// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/capability_rules.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/strings.h"
#include "runtime/capabilities.h"

namespace berth::engine {

namespace {

constexpr uint64_t bit(int number) {
    return uint64_t{1} << number;
}

uint64_t docker_default_set() {
    static constexpr std::array<std::string_view, 14> kNames = {
        "CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",           "CAP_FOWNER",
        "CAP_MKNOD",   "CAP_NET_RAW",      "CAP_SETGID",           "CAP_SETUID",
        "CAP_SETFCAP", "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
        "CAP_KILL",    "CAP_AUDIT_WRITE",
    };
    uint64_t set = 0;
    for (std::string_view name : kNames) set |= bit(runtime::capability_number(name).value());
    return set;
}

/// Of normalized names; ALL is `all`.
uint64_t to_set(const spec::api::Strings& names, uint64_t all) {
    uint64_t set = 0;
    for (const std::string& name : names) {
        if (name == "ALL")
            set |= all;
        else if (auto number = runtime::capability_number(name))
            set |= bit(*number);
    }
    return set;
}

bool has_all(const spec::api::Strings& names) {
    return std::ranges::find(names, "ALL") != names.end();
}

}  // namespace

std::vector<std::string> normalize_capabilities(const spec::api::Strings& names, std::string_view field) {
    std::vector<std::string> result;
    for (std::string name : names) {
        for (char& c : name)
            if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
        if (name != "ALL") {
            if (!name.starts_with("CAP_")) name.insert(0, "CAP_");
            if (!runtime::capability_number(name))
                throw make_error(ErrorKind::invalid_argument, "invalid {}: unknown capability: {}", field,
                                 quote(name));
        }
        result.push_back(std::move(name));
    }
    return result;
}

uint64_t container_capabilities(const spec::api::HostConfig& host_config, uint64_t available) {
    if (host_config.Privileged) return available;
    auto add = normalize_capabilities(spec::api::items(host_config.CapAdd), "CapAdd");
    auto drop = normalize_capabilities(spec::api::items(host_config.CapDrop), "CapDrop");
    if (has_all(add)) return available & ~to_set(drop, 0);  // as with dockerd, "ALL" is none of their names
    if (has_all(drop)) return to_set(add, available);
    return (docker_default_set() & ~to_set(drop, 0)) | to_set(add, available);
}

spec::Capabilities capability_lists(uint64_t set, uint32_t uid) {
    spec::Capabilities lists;
    auto names = runtime::capability_names();
    for (size_t number = 0; number < names.size(); ++number)
        if (set & bit(static_cast<int>(number))) lists.bounding.emplace_back(names[number]);
    if (uid == 0) lists.effective = lists.permitted = lists.bounding;
    return lists;
}

}  // namespace berth::engine
