// SPDX-License-Identifier: Apache-2.0
#include "engine/files/working_folder.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "engine/files/beneath.h"
#include "engine/files/root_view.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

enum class Here { there, below, unclear };

/// Whether the layer has the folder, or leaves it to those below. Links, whiteouts and opaque folders are for
/// overlayfs to sort out (kernel: overlayfs.rst).
Here look(const std::string& layer, const std::vector<std::string_view>& names) {
    UniqueFd folder = sys::open_file(layer, O_RDONLY | O_DIRECTORY);
    for (std::string_view part : names) {
        std::string name(part);
        struct stat status{};
        if (fstatat(folder.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
            return errno == ENOENT && !store::is_opaque_folder(folder.get()) ? Here::below : Here::unclear;
        if (!S_ISDIR(status.st_mode)) return Here::unclear;
        folder = sys::open_at(folder.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    }
    return Here::there;
}

bool is_surely_there(const store::MountPlan& plan, const std::string& path) {
    if (plan.type != "overlay") return false;
    std::vector<std::string_view> names = split(std::string_view(path).substr(1), '/');
    for (const std::string& layer : store::overlay_folders(plan)) {
        Here here = look(layer, names);
        if (here != Here::below) return here == Here::there;
    }
    return false;
}

}  // namespace

void make_working_folder(const store::MountPlan& plan, const std::string& path) {
    std::string folder = path.empty() ? "/" : sys::clean_path(path);
    if (folder == "/" || is_surely_there(plan, folder)) return;
    std::shared_ptr<RootView> view = RootView::assemble({.root = plan, .mounts = {}});
    try {
        (void)make_folders_in_root(view->root(), folder);
    } catch (const Error& error) {
        if (error.code() == ENOTDIR)
            throw make_error(ErrorKind::internal, "Cannot mkdir: {} is not a directory", path);
        if (error.code() != ENOENT && error.code() != ELOOP) throw;
    }
}

}  // namespace berth::engine
