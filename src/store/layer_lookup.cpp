// SPDX-License-Identifier: Apache-2.0
#include "store/layer_lookup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/strings.h"
#include "store/folder_chain.h"
#include "store/layer_names.h"
#include "sys/file.h"

namespace berth::store {

namespace {

struct Found {
    std::optional<LayerFile> file;
    bool hides = false;  ///< the layers below are not seen through this one
};

Found find_in_layer(int layer, const std::vector<std::string_view>& names) {
    Found found;
    UniqueFd folder = sys::open_at(layer, ".", O_RDONLY | O_DIRECTORY);
    for (size_t i = 0;; ++i) {
        found.hides = found.hides || is_opaque(folder.get());
        std::string name = i < names.size() ? std::string(names[i]) : ".";
        struct stat status{};
        if (::fstatat(folder.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) {
            if (errno != ENOENT && errno != ENAMETOOLONG) throw errno_error(errno, "stat " + name);
            return found;
        }
        bool is_last = i + 1 >= names.size();
        if (is_whiteout(status) || (!is_last && !S_ISDIR(status.st_mode))) {
            found.hides = true;
            return found;
        }
        if (is_last) {
            found.file = LayerFile{std::move(folder), std::move(name), status};
            return found;
        }
        std::optional<FolderChain::Folder> next = FolderChain::open(folder.get(), name);
        if (!next) throw errno_error(errno, "open " + name);
        folder = std::move(next->fd);
    }
}

}  // namespace

std::optional<LayerFile> find_in_layers(const std::vector<int>& lowers, std::string_view path) {
    std::vector<std::string_view> names;
    if (path != ".") names = split(path, '/');
    for (int layer : lowers) {
        Found found = find_in_layer(layer, names);
        if (found.file) return std::move(found.file);
        if (found.hides) break;
    }
    return std::nullopt;
}

bool is_opaque(int folder) {
    for (std::string_view prefix : {kOverlayXattrs, kUserOverlayXattrs}) {
        char value = 0;
        std::string name = fmt::format("{}opaque", prefix);
        if (::fgetxattr(folder, name.c_str(), &value, 1) == 1 && value == 'y') return true;
    }
    return false;
}

bool is_whiteout(const struct stat& status) {
    return S_ISCHR(status.st_mode) && status.st_rdev == makedev(0, 0);
}

std::map<std::string, std::string> read_xattrs(int fd, bool is_path, bool (*keep)(std::string_view)) {
    std::string path = is_path ? fmt::format("/proc/self/fd/{}", fd) : "";
    // Nearly all files have none: the first call says so.
    char few[512];
    ssize_t size = is_path ? ::listxattr(path.c_str(), few, sizeof few) : ::flistxattr(fd, few, sizeof few);
    std::string names;
    if (size >= 0) {
        names.assign(few, static_cast<size_t>(size));
    } else if (errno == ERANGE) {
        names.resize(XATTR_LIST_MAX);
        size = is_path ? ::listxattr(path.c_str(), names.data(), names.size())
                       : ::flistxattr(fd, names.data(), names.size());
        names.resize(static_cast<size_t>(sys::check(size, "list the attributes of a file")));
    } else if (errno != EOPNOTSUPP) {
        throw errno_error(errno, "list the attributes of a file");
    }
    std::map<std::string, std::string> xattrs;
    for (std::string_view name : split(names, '\0')) {
        if (name.empty() || !keep(name)) continue;
        std::string key(name);
        std::string value(XATTR_SIZE_MAX, '\0');
        size = is_path ? ::getxattr(path.c_str(), key.c_str(), value.data(), value.size())
                       : ::fgetxattr(fd, key.c_str(), value.data(), value.size());
        if (size < 0 && errno == ENODATA) continue;
        value.resize(static_cast<size_t>(sys::check(size, [&] { return "read attribute " + key; })));
        xattrs.emplace(std::move(key), std::move(value));
    }
    return xattrs;
}

}  // namespace berth::store
