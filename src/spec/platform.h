// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/describe/class.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace berth::spec {

/// "os/architecture[/variant]" in Go's words (image-index.md, "platform"). Platforms are compared in their
/// normalized form, that of containerd: x86_64 is amd64, aarch64 and arm64/v8 are arm64, arm and armhf are
/// arm/v7, armel is arm/v6.
struct Platform {
    std::string architecture;
    std::string os;
    std::string os_version;  ///< wire: "os.version"
    std::vector<std::string> os_features;
    std::string variant;

    /// "linux/arm64/v8", "linux", "arm64": what is missing is the host's. Throws invalid_argument.
    static Platform parse(std::string_view text);
    static Platform host();
    /// "linux/arm64/v8"; "unknown" without an os.
    std::string text() const;
    Platform normalized() const;
    /// Whether an image for `this` runs where `wanted` is asked for.
    bool satisfies(const Platform& wanted) const { return distance(wanted).has_value(); }
    /// How far an image for `this` is from `wanted`: 0 for the same, more for a lower variant and for the
    /// 32-bit architecture below (386, arm); nothing where it does not run. Images of windows also need its
    /// build.
    std::optional<int> distance(const Platform& wanted) const;

    bool operator==(const Platform&) const = default;
};
BOOST_DESCRIBE_STRUCT(Platform, (), (architecture, os, os_version, os_features, variant))
constexpr std::string_view json_key(const Platform*, std::string_view member) {
    return member == "os_version" ? "os.version" : member == "os_features" ? "os.features" : member;
}
constexpr bool json_omit_empty(const Platform*, std::string_view key) {
    return key != "architecture" && key != "os";
}

}  // namespace berth::spec
