// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/user_root.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/strings.h"
#include "sys/file.h"

namespace berth::engine {
namespace {

enum class Here { absent, present, unclear };

/// Whether the layer decides about the name in its etc. Anything but a plain file in a plain folder is for
/// overlayfs to sort out (kernel: overlayfs.rst, "whiteouts and opaque directories").
Here look(int layer, const char* name) {
    struct stat status{};
    if (fstatat(layer, "etc", &status, AT_SYMLINK_NOFOLLOW) != 0) return Here::absent;
    if (!S_ISDIR(status.st_mode)) return Here::unclear;
    UniqueFd etc = sys::open_at(layer, "etc", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fstatat(etc.get(), name, &status, AT_SYMLINK_NOFOLLOW) == 0)
        return S_ISREG(status.st_mode) ? Here::present : Here::unclear;
    return store::is_opaque_folder(etc.get()) ? Here::unclear : Here::absent;
}

/// The one layer that decides about both files: it has both, or the one that there is. The first where
/// neither is anywhere. Nothing: unclear.
std::optional<UniqueFd> find_layer(const store::MountPlan& plan) {
    std::optional<UniqueFd> first, found;
    const char* other = nullptr;  // the file that `found` lacks
    for (const std::string& path : store::overlay_folders(plan)) {
        UniqueFd layer = sys::open_file(path, O_PATH | O_DIRECTORY);
        if (found) {
            if (look(layer.get(), other) != Here::absent) return std::nullopt;
            continue;
        }
        Here passwd = look(layer.get(), "passwd"), group = look(layer.get(), "group");
        if (passwd == Here::present && group == Here::present) return layer;
        if (passwd == Here::unclear || group == Here::unclear) return std::nullopt;
        if (passwd == Here::present || group == Here::present) {
            other = passwd == Here::present ? "group" : "passwd";
            found = std::move(layer);
        } else if (!first) {
            first = std::move(layer);
        }
    }
    return found ? std::move(found) : std::move(first);
}

/// The same tree, read-only: a mount with an upper folder leaves its marks there.
store::MountPlan view_of(const store::MountPlan& plan) {
    if (plan.type != "overlay") return plan;
    store::MountPlan view{.type = plan.type, .source = plan.source, .options = {}};
    view.options.push_back("lowerdir=" + join(store::overlay_folders(plan), ":"));
    for (const std::string& option : plan.options)
        if (!option.starts_with("lowerdir=") && !option.starts_with("upperdir=") &&
            !option.starts_with("workdir=") && option != "volatile")
            view.options.push_back(option);
    return view;
}

}  // namespace

UserRoot::UserRoot(const store::MountPlan& plan) {
    if (plan.type == "overlay") layer_ = find_layer(plan);
    if (!layer_) {
        RootView::Assembly assembly;
        assembly.root = view_of(plan);
        view_ = RootView::assemble(assembly);
    }
}

int UserRoot::fd() const {
    return layer_ ? layer_->get() : view_->root();
}

}  // namespace berth::engine
