// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "base/error.h"
#include "commands.h"
#include "image_view.h"
#include "output.h"
#include "store/snapshots.h"
#include "store_flags.h"

namespace berth::app {

namespace {

constexpr std::array kFlags{
    Flag{.name = "rw", .usage = "Mount the writable snapshot of this name; it is made where there is none"},
};

/// The snapshot of that name: of this image, or it is a conflict.
store::MountPlan writable_plan(store::Store& store, const std::string& name, const store::Image& image) {
    if (auto present = store.snapshots().find(name)) {
        if (present->parent != image.top_chain_id())
            throw make_error(ErrorKind::conflict, "snapshot {} is of another image", name);
    } else {
        store.snapshots().create(name, image.top_chain_id(), {});
    }
    return store.snapshots().mount_plan(name);
}

int run_mount(const Invocation& call) {
    store::Store store = open_store(call);
    store::Image image = store.get(call.args[0]);
    const std::string& target = call.args[1];
    if (call.flags.is_set("rw")) {
        store::mount(writable_plan(store, call.flags.text("rw"), image), target);
        return 0;
    }
    ImageView view = view_of(store, image);
    store::mount(view.plan, target);
    return 0;
}

int run_unmount(const Invocation& call) {
    store::unmount(call.args[0]);
    return 0;
}

constexpr std::array<std::string_view, 1> kUnmountAliases{"umount"};

}  // namespace

constexpr Command kMountCommand{
    .name = "mount",
    .summary = "Mount the file system of an image",
    .arguments = "[OPTIONS] IMAGE TARGET",
    .description =
        "Mount the file system of an image on the folder TARGET: read-only, or as a writable snapshot",
    .flags = kFlags,
    .min_args = 2,
    .max_args = 2,
    .run = run_mount,
};

constexpr Command kUnmountCommand{
    .name = "unmount",
    .summary = "Unmount the file system of an image",
    .arguments = "TARGET",
    .min_args = 1,
    .max_args = 1,
    .run = run_unmount,
    .aliases = kUnmountAliases,
};

}  // namespace berth::app
