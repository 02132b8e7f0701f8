// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"

namespace berth::store {

/// What is seen of a path in layer folders that lie on one another, as overlayfs would show it; symlinks are
/// not followed.
struct LayerFile {
    UniqueFd folder;  ///< that it lies in
    std::string name;
    struct stat status{};
};

/// `lowers`: descriptors, uppermost first. Nothing where the path is in no layer, hidden by one, or lies
/// behind something that is not a folder. `path`: names with '/' between them, or "." for the uppermost root.
std::optional<LayerFile> find_in_layers(const std::vector<int>& lowers, std::string_view path);

/// Whether an overlay folder hides what is below it.
bool is_opaque(int folder);
bool is_whiteout(const struct stat& status);

/// Attributes of an open file, or of what an O_PATH descriptor refers to (`is_path`), by name; only those
/// that `keep(name)` wants.
std::map<std::string, std::string> read_xattrs(int fd, bool is_path, bool (*keep)(std::string_view));

}  // namespace berth::store
