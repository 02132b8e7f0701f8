// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/seccomp_profile.h"

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/strings.h"
#include "runtime/capabilities.h"

namespace berth::engine {

namespace profile {

/// When a rule is part of the filter. All that is named must hold; of an exclusion nothing may.
struct Condition {
    std::vector<std::string> caps;
    std::vector<std::string> arches;  ///< as Go names them
    std::string minKernel;            ///< "4.8"
};
BOOST_DESCRIBE_STRUCT(Condition, (), (caps, arches, minKernel))

struct Rule {
    std::string name;  ///< before `names` existed
    std::vector<std::string> names;
    std::string action;
    std::optional<uint32_t> errnoRet;
    std::vector<spec::SeccompArg> args;
    Condition includes, excludes;
};
BOOST_DESCRIBE_STRUCT(Rule, (), (name, names, action, errnoRet, args, includes, excludes))

struct Architecture {
    std::string architecture;
    std::vector<std::string> subArchitectures;
};
BOOST_DESCRIBE_STRUCT(Architecture, (), (architecture, subArchitectures))

struct Profile {
    std::string defaultAction;
    std::optional<uint32_t> defaultErrnoRet;
    std::vector<std::string> architectures;
    std::vector<Architecture> archMap;
    std::vector<std::string> flags;
    std::string listenerPath, listenerMetadata;
    std::vector<Rule> syscalls;
};
BOOST_DESCRIBE_STRUCT(Profile, (),
                      (defaultAction, defaultErrnoRet, architectures, archMap, flags, listenerPath,
                       listenerMetadata, syscalls))

// Profiles are read by Go elsewhere, which takes keys in any case.
constexpr bool json_any_case(const Condition*) {
    return true;
}
constexpr bool json_any_case(const Rule*) {
    return true;
}
constexpr bool json_any_case(const Architecture*) {
    return true;
}
constexpr bool json_any_case(const Profile*) {
    return true;
}

}  // namespace profile

namespace {

using profile::Condition;
using profile::Profile;
using profile::Rule;

constexpr std::string_view kDefaultProfile =
#include "engine/oci/default_seccomp.inc"
    ;

struct ArchitectureNames {
    std::string_view machine, go, seccomp;
};
constexpr std::array<ArchitectureNames, 8> kArchitectures = {{
    {"x86_64", "amd64", "SCMP_ARCH_X86_64"},
    {"aarch64", "arm64", "SCMP_ARCH_AARCH64"},
    {"armv7l", "arm", "SCMP_ARCH_ARM"},
    {"i686", "386", "SCMP_ARCH_X86"},
    {"ppc64le", "ppc64le", "SCMP_ARCH_PPC64LE"},
    {"s390x", "s390x", "SCMP_ARCH_S390X"},
    {"riscv64", "riscv64", "SCMP_ARCH_RISCV64"},
    {"loongarch64", "loong64", "SCMP_ARCH_LOONGARCH64"},
}};

ArchitectureNames architecture_of(const HostFacts& host) {
    for (const ArchitectureNames& one : kArchitectures)
        if (one.machine == host.architecture) return one;
    return {host.architecture, host.architecture, ""};
}

[[noreturn]] void fail_profile(std::string_view why) {
    throw make_error(ErrorKind::invalid_argument, "Decoding seccomp profile failed: {}", why);
}

Profile parse_profile(std::string_view text) {
    Profile parsed;
    try {
        parsed = json::decode_text<Profile>(text);
    } catch (const Error& error) {
        fail_profile(error.what());
    }
    if (!parsed.architectures.empty() && !parsed.archMap.empty())
        fail_profile(
            "both 'architectures' and 'archMap' are specified in the seccomp profile, use either "
            "'architectures' or 'archMap'");
    for (Rule& rule : parsed.syscalls) {
        if (rule.name.empty()) continue;
        if (!rule.names.empty())
            fail_profile(
                "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or "
                "'names'");
        rule.names.push_back(std::move(rule.name));
    }
    return parsed;
}

bool has_capability(uint64_t capabilities, const std::string& name) {
    auto number = runtime::capability_number(name);
    return number && (capabilities >> *number & 1);
}

bool kernel_reaches(const HostFacts& host, std::string_view version) {
    auto parts = split(version, '.');
    auto major = parts.empty() ? std::nullopt : parse_number<int>(parts[0]);
    auto minor = parts.size() < 2 ? std::nullopt : parse_number<int>(parts[1]);
    if (!major || !minor || parts.size() != 2)
        fail_profile(fmt::format("invalid kernel version: {}", quote(version)));
    return host.kernel_at_least(*major, *minor);
}

bool names_architecture(const Condition& condition, std::string_view architecture) {
    return std::ranges::find(condition.arches, architecture) != condition.arches.end();
}

bool applies(const Rule& rule, uint64_t capabilities, std::string_view architecture, const HostFacts& host) {
    auto held = [&](const std::string& name) { return has_capability(capabilities, name); };
    const Condition& without = rule.excludes;
    if (names_architecture(without, architecture) || std::ranges::any_of(without.caps, held)) return false;
    if (!without.minKernel.empty() && kernel_reaches(host, without.minKernel)) return false;

    const Condition& with = rule.includes;
    if (!with.arches.empty() && !names_architecture(with, architecture)) return false;
    if (!with.minKernel.empty() && !kernel_reaches(host, with.minKernel)) return false;
    return std::ranges::all_of(with.caps, held);
}

spec::Seccomp convert(const Profile& from, uint64_t capabilities, const HostFacts& host) {
    spec::Seccomp result;
    result.defaultAction = from.defaultAction;
    result.defaultErrnoRet = from.defaultErrnoRet;
    result.flags = from.flags;
    result.listenerPath = from.listenerPath;
    result.listenerMetadata = from.listenerMetadata;
    result.architectures = from.architectures;

    ArchitectureNames native = architecture_of(host);
    for (const auto& [architecture, also] : from.archMap) {
        if (architecture != native.seccomp) continue;
        result.architectures.push_back(architecture);
        result.architectures.insert(result.architectures.end(), also.begin(), also.end());
    }
    for (const Rule& rule : from.syscalls)
        if (applies(rule, capabilities, native.go, host))
            result.syscalls.push_back({rule.names, rule.action, rule.errnoRet, rule.args});
    return result;
}

/// Conversions that were made, by profile and capabilities. One for the program: what it holds follows from
/// its keys and the kernel alone.
class Conversions {
  public:
    static constexpr size_t kMaxEntries = 32;
    using Entry = std::shared_ptr<const SeccompProfile>;

    Entry get(std::string_view text, uint64_t capabilities, const HostFacts& host) {
        std::string key(reinterpret_cast<const char*>(&capabilities), sizeof capabilities);
        key += text;
        if (Entry found = find(key)) return found;
        SeccompProfile made;
        made.seccomp = convert(text.empty() ? default_profile() : parse_profile(text), capabilities, host);
        made.text = json::print(json::encode(made.seccomp));
        auto entry = std::make_shared<const SeccompProfile>(std::move(made));
        keep(std::move(key), entry);
        return entry;
    }

  private:
    static const Profile& default_profile() {
        static const Profile parsed = parse_profile(kDefaultProfile);
        return parsed;
    }

    Entry find(const std::string& key) {
        std::lock_guard lock(mutex_);
        auto entry = entries_.find(key);
        return entry == entries_.end() ? nullptr : entry->second;
    }

    void keep(std::string key, Entry value) {
        std::lock_guard lock(mutex_);
        if (entries_.size() >= kMaxEntries) entries_.clear();
        entries_.insert_or_assign(std::move(key), std::move(value));
    }

    std::mutex mutex_;
    std::unordered_map<std::string, Entry> entries_;  ///< under mutex_
};

}  // namespace

std::shared_ptr<const SeccompProfile> seccomp_profile(std::string_view profile, uint64_t capabilities,
                                                      const HostFacts& host) {
    static Conversions conversions;
    auto result = conversions.get(profile, capabilities, host);
    bool says_nothing = result->seccomp.defaultAction.empty() && result->seccomp.syscalls.empty();
    return says_nothing ? nullptr : result;
}

}  // namespace berth::engine
