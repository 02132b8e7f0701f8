// SPDX-License-Identifier: Apache-2.0
#include "spec/platform.h"

#include <sys/utsname.h>

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"

namespace berth::spec {

namespace {

constexpr std::string_view kSystems[] = {"aix",     "android", "darwin",  "dragonfly", "freebsd", "hurd",
                                         "illumos", "ios",     "js",      "linux",     "nacl",    "netbsd",
                                         "openbsd", "plan9",   "solaris", "windows",   "zos"};
constexpr std::string_view kArchitectures[] = {
    "386",     "amd64",  "amd64p32", "arm",      "armbe",     "arm64",       "arm64be", "loong64",
    "mips",    "mipsle", "mips64",   "mips64le", "mips64p32", "mips64p32le", "ppc",     "ppc64",
    "ppc64le", "riscv",  "riscv64",  "s390",     "s390x",     "sparc",       "sparc64", "wasm"};

bool contains(auto& list, std::string_view name) {
    return std::ranges::find(list, name) != std::end(list);
}

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return result;
}

std::string normal_os(std::string_view os) {
    std::string name = lower(os);
    return name == "macos" ? "darwin" : name;
}

struct Architecture {
    std::string name, variant;
};

Architecture normal_architecture(std::string_view architecture, std::string_view variant) {
    Architecture result{lower(architecture), lower(variant)};
    auto& [name, version] = result;
    if (name == "i386") {
        name = "386";
        version.clear();
    } else if (name == "x86_64" || name == "x86-64" || name == "amd64") {
        name = "amd64";
        if (version == "v1") version.clear();
    } else if (name == "aarch64" || name == "arm64") {
        name = "arm64";
        if (version == "8" || version == "v8" || version == "v8.0") version.clear();
    } else if (name == "armhf") {
        result = {"arm", "v7"};
    } else if (name == "armel") {
        result = {"arm", "v6"};
    } else if (name == "arm") {
        if (version.empty())
            version = "v7";
        else if (version == "5" || version == "6" || version == "7" || version == "8")
            version.insert(0, 1, 'v');
    }
    return result;
}

/// "v7" is 700, "v8.2" is 802, "" is `none`.
std::optional<int> version_of(std::string_view variant, int none) {
    if (variant.empty()) return none;
    if (!variant.starts_with('v')) return std::nullopt;
    std::string_view number = variant.substr(1);
    size_t dot = std::min(number.find('.'), number.size());
    std::optional<uint8_t> major = parse_number<uint8_t>(number.substr(0, dot));
    std::optional<uint8_t> minor = dot == number.size() ? 0 : parse_number<uint8_t>(number.substr(dot + 1));
    if (!major || !minor || *minor > 99) return std::nullopt;
    return *major * 100 + *minor;
}

/// How far variant `image` is below `wanted`; nothing where it is above, or where either is no version.
std::optional<int> steps_down(std::string_view image, std::string_view wanted, int none) {
    std::optional<int> from = version_of(wanted, none), to = version_of(image, none);
    if (image == wanted) return 0;
    if (!from || !to || *to > *from) return std::nullopt;
    return *from - *to;
}

std::optional<int> architecture_distance(const Platform& image, const Platform& wanted) {
    constexpr int kOtherArchitecture = 100'000;
    if (image.architecture == wanted.architecture) {
        if (wanted.architecture == "amd64") return steps_down(image.variant, wanted.variant, 100);
        if (wanted.architecture == "arm64") return steps_down(image.variant, wanted.variant, 800);
        if (wanted.architecture == "arm") return steps_down(image.variant, wanted.variant, 700);
        if (image.variant == wanted.variant) return 0;
        // Of other architectures the order of variants is unknown, but the plain one is the least.
        return image.variant.empty() ? std::optional(1) : std::nullopt;
    }
    if (wanted.architecture == "amd64" && image.architecture == "386") return kOtherArchitecture;
    if (wanted.architecture == "arm64" && image.architecture == "arm") {
        std::optional<int> steps = steps_down(image.variant, "v8", 700);
        return steps ? std::optional(kOtherArchitecture + *steps) : std::nullopt;
    }
    return std::nullopt;
}

/// major.minor.build; the revision does not matter.
bool same_windows_build(std::string_view image, std::string_view wanted) {
    if (image.empty() || wanted.empty()) return true;
    auto build = [](std::string_view version) {
        std::vector<std::string_view> parts = split(version, '.');
        parts.resize(3);
        return parts;
    };
    return build(image) == build(wanted);
}

bool is_component(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
               c == '.' || c == '-';
    });
}

}  // namespace

Platform Platform::parse(std::string_view text) {
    auto fail = [&](std::string_view problem) {
        throw make_error(ErrorKind::invalid_argument, "{}: {}", quote(text.substr(0, 200)), problem);
    };
    std::vector<std::string_view> parts = split(text, '/');
    for (std::string_view part : parts)
        if (!is_component(part))
            throw make_error(ErrorKind::invalid_argument,
                             "{} is an invalid component of {}: platform specifier component must match "
                             "\"^[A-Za-z0-9_.-]+$\"",
                             quote(part.substr(0, 200)), quote(text.substr(0, 200)));
    if (parts.empty() || parts.size() > 3) fail("cannot parse platform specifier");

    Platform result;
    if (parts.size() == 1) {
        std::string os = normal_os(parts[0]);
        if (contains(kSystems, os)) {
            result = host();
            result.os = os;
            return result;
        }
        auto [name, variant] = normal_architecture(parts[0], "");
        if (!contains(kArchitectures, name)) fail("unknown operating system or architecture");
        result.os = "linux";
        result.architecture = name;
        result.variant = variant;
    } else {
        auto [name, variant] = normal_architecture(parts[1], parts.size() == 3 ? parts[2] : "");
        result.os = normal_os(parts[0]);
        result.architecture = name;
        result.variant = variant;
    }
    // As it was asked for: arm/v7 is plain arm unless it is told, and arm64/v8 stays if it is.
    if (parts.size() < 3 && result.architecture == "arm" && result.variant == "v7") result.variant.clear();
    if (parts.size() == 3 && result.architecture == "arm64" && result.variant.empty()) result.variant = "v8";
    return result;
}

Platform Platform::host() {
    utsname name{};
    ::uname(&name);
    std::string_view machine = name.machine;
    Platform result;
    result.os = "linux";
    // "armv7l", "armv6l"; a 32-bit process on a 64-bit kernel of arm is "armv8l".
    if (machine.starts_with("armv") && machine.size() > 4) {
        result.architecture = "arm";
        result.variant = {'v', machine[4]};
    } else if (machine == "i486" || machine == "i586" || machine == "i686") {
        result.architecture = "386";
    } else if (machine == "loongarch64") {
        result.architecture = "loong64";
    } else {
        auto [architecture, variant] = normal_architecture(machine, "");
        result.architecture = architecture;
        result.variant = architecture == "arm64" ? "v8" : variant;
    }
    return result;
}

std::string Platform::text() const {
    if (os.empty()) return "unknown";
    std::string result = os;
    if (!architecture.empty()) (result += '/') += architecture;
    if (!variant.empty()) (result += '/') += variant;
    return result;
}

Platform Platform::normalized() const {
    Platform result = *this;
    auto [name, normal_variant] = normal_architecture(architecture, variant);
    result.os = normal_os(os);
    result.architecture = name;
    result.variant = normal_variant;
    return result;
}

std::optional<int> Platform::distance(const Platform& wanted) const {
    Platform image = normalized(), target = wanted.normalized();
    if (image.os != target.os) return std::nullopt;
    if (image.os == "windows" && !same_windows_build(image.os_version, target.os_version))
        return std::nullopt;
    return architecture_distance(image, target);
}

}  // namespace berth::spec
