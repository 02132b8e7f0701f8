// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "engine/files/archive.h"

namespace berth::engine {

/// A client's path within a container, as Go's path functions see it.
struct ClientPath {
    std::string clean;       ///< absolute, without ".", ".." and "//"
    std::string base;        ///< its last name as the client wrote it: "/" for the root, "." for "x/."
    bool is_folder = false;  ///< "x/" and "x/." can be nothing else; a symlink is followed then

    explicit ClientPath(std::string_view text);
};

/// What it leads to, opened with O_PATH.
struct FoundPath {
    UniqueFd fd;
    struct stat status{};
};
/// The last name is followed for `is_folder` only. Throws as engine/files/archive.h says.
FoundPath find_path(int root, const ClientPath& path, std::string_view text, std::string_view container);

FileStat file_stat(int root, const ClientPath& path, const FoundPath& found);

/// not_found "Could not find the file /x in container y".
[[noreturn]] void throw_no_file(std::string_view path, std::string_view container);

}  // namespace berth::engine
