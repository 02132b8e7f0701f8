// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

/// Names with a meaning in layers: in archives (OCI image-spec, layer.md, "Representing Changes"; the
/// prefixes are AUFS's) and in the folders of overlayfs (kernel, Documentation/filesystems/overlayfs.rst).
namespace berth::store {

inline constexpr std::string_view kWhiteoutPrefix = ".wh.";
/// Files of AUFS's own, which have no meaning elsewhere; all but the next.
inline constexpr std::string_view kWhiteoutMetaPrefix = ".wh..wh.";
inline constexpr std::string_view kWhiteoutOpaque = ".wh..wh..opq";

inline constexpr std::string_view kOverlayXattrs = "trusted.overlay.";
inline constexpr std::string_view kUserOverlayXattrs = "user.overlay.";

/// Whether an attribute is a file's own, to be kept in layers: not overlayfs's, which would make a layer show
/// files of others, nor ACLs, which would change what is made in a folder, nor labels of this host's security
/// modules.
inline bool is_kept_xattr(std::string_view name) {
    if (name.starts_with(kOverlayXattrs) || name.starts_with(kUserOverlayXattrs)) return false;
    for (std::string_view label : {"security.selinux", "security.ima", "security.evm", "security.apparmor"})
        if (name == label) return false;
    if (name.starts_with("security.SMACK")) return false;
    return name.starts_with("user.") || name.starts_with("security.") || name.starts_with("trusted.");
}

}  // namespace berth::store
