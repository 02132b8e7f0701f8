// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/security_options.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

constexpr std::string_view kDefaultAppArmor = "docker-default";

[[noreturn]] void fail_option(int which, const std::string& option) {
    throw make_error(ErrorKind::invalid_argument, "invalid --security-opt {}: {}", which, quote(option));
}

/// As Go's strconv.ParseBool.
std::optional<bool> parse_bool(std::string_view text) {
    static constexpr std::array<std::string_view, 6> kTrue = {"1", "t", "T", "TRUE", "true", "True"};
    static constexpr std::array<std::string_view, 6> kFalse = {"0", "f", "F", "FALSE", "false", "False"};
    if (std::ranges::find(kTrue, text) != kTrue.end()) return true;
    if (std::ranges::find(kFalse, text) != kFalse.end()) return false;
    return std::nullopt;
}

void read_option(SecurityOptions& into, const std::string& option, std::string_view key,
                 std::string_view value) {
    auto boolean = [&] {
        auto parsed = parse_bool(value);
        if (!parsed) fail_option(2, option);
        return *parsed;
    };
    if (key == "label")
        into.labels.emplace_back(value);
    else if (key == "apparmor")
        into.apparmor = value;
    else if (key == "seccomp")
        into.seccomp = value;
    else if (key == "no-new-privileges")
        into.no_new_privileges = boolean();
    else if (key == "writable-cgroups")
        into.writable_cgroups = boolean();
    else if (key == "systempaths" && value == "unconfined")
        into.unconfined_paths = true;
    else
        fail_option(2, option);
}

/// Two of the 1024 categories, the same for each start of a container. Different containers rarely share
/// both.
std::string categories(const std::string& id) {
    uint32_t seed = parse_number<uint32_t>(std::string_view(id).substr(0, 8), 16).value_or(0);
    uint32_t low = seed % 1024, high = seed / 1024 % 1023;
    if (high >= low) ++high;
    return fmt::format("s0:c{},c{}", std::min(low, high), std::max(low, high));
}

}  // namespace

SecurityOptions parse_security_options(const spec::api::Strings& options) {
    SecurityOptions result;
    for (const std::string& option : options) {
        if (option == "no-new-privileges") {
            result.no_new_privileges = true;
            continue;
        }
        if (option == "disable") {
            result.labels.emplace_back("disable");
            continue;
        }
        // ':' is the separator of old clients; a profile's JSON has both, after the '='.
        size_t at = option.find('=');
        if (at == std::string::npos) at = option.find(':');
        if (at == std::string::npos) fail_option(1, option);
        read_option(result, option, std::string_view(option).substr(0, at),
                    std::string_view(option).substr(at + 1));
    }
    return result;
}

std::string apparmor_profile(const SecurityOptions& options, bool privileged, const HostFacts& host) {
    if (!host.apparmor) return {};
    if (!options.apparmor.empty()) return options.apparmor;
    if (privileged) return "unconfined";
    // "docker-default (enforce)"; Docker's packages load it.
    auto loaded = sys::try_read_file("/sys/kernel/security/apparmor/profiles");
    for (std::string_view line : split(loaded ? *loaded : std::string(), '\n'))
        if (line.substr(0, line.find(' ')) == kDefaultAppArmor) return std::string(kDefaultAppArmor);
    log::info("the AppArmor profile {} is not loaded: the container runs without it", kDefaultAppArmor);
    return {};
}

SelinuxLabels selinux_labels(const SecurityOptions& options, const std::string& id, bool privileged,
                             const DaemonConfig& daemon, const HostFacts& host) {
    if (!daemon.selinux || !host.selinux) return {};
    std::string user = "system_u", role = "system_r", type = "container_t", level = categories(id);
    std::string file_type = "container_file_t";
    const std::array<std::pair<std::string_view, std::string*>, 5> parts = {
        {{"user", &user}, {"role", &role}, {"type", &type}, {"level", &level}, {"filetype", &file_type}}};
    for (const std::string& label : options.labels) {
        if (label == "disable") return {};
        size_t colon = label.find(':');
        auto part =
            std::ranges::find(parts, label.substr(0, colon), [](const auto& one) { return one.first; });
        if (colon == std::string::npos || part == parts.end())
            throw make_error(ErrorKind::invalid_argument,
                             "bad label option {}, valid options 'disable' or \n'user, role, level, type, "
                             "filetype' followed by ':' and a value",
                             quote(label));
        *part->second = label.substr(colon + 1);
    }
    if (privileged && options.labels.empty()) return {};
    return {fmt::format("{}:{}:{}:{}", user, role, type, level),
            fmt::format("{}:object_r:{}:{}", user, file_type, level)};
}

}  // namespace berth::engine
