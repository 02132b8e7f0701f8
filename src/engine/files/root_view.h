// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "spec/runtime.h"
#include "store/snapshots.h"

namespace berth::engine {

/// A container's file tree with all that is mounted in it, as one descriptor. It sees what its processes see
/// where it runs; else the tree is put together from its snapshot and its mounts, in a mount namespace of its
/// own that goes with the object: nothing appears in the host's. Blocking: make it, use it and destroy it (an
/// unmount may sync) on a thread of a pool; several threads may use it at a time.
///
/// A view of a container that does not run must be gone before the container starts (core: hold it in the
/// container's operation queue): two mounts of one overlay don't see each other's changes.
class RootView {
  public:
    /// How the tree of a container that does not run is put together.
    struct Assembly {
        store::MountPlan root;  ///< Snapshots::mount_plan(), or view_plan() for an image
        /// What PreparedMounts has (engine/volumes/prepare.h). Binds and file systems are mounted, in order;
        /// a tmpfs (its content dies with the container) and the kernel's own are not, as with Docker.
        /// Places that are missing are made.
        std::vector<spec::Mount> mounts;
        bool readonly_root = false;
    };
    /// Throws, with what was mounted where.
    static std::shared_ptr<RootView> assemble(const Assembly& assembly);

    /// Of a running container: /proc/<pid>/root of its init process. `pidfd` (borrowed; -1: opened here)
    /// proves that it is the same process. unavailable where it has ended.
    static std::shared_ptr<RootView> of_process(pid_t pid, int pidfd = -1);

    ~RootView();
    RootView(const RootView&) = delete;
    RootView& operator=(const RootView&) = delete;

    /// O_PATH descriptor of the root folder. For engine/files/beneath.h.
    int root() const { return root_.get(); }
    /// The root file system alone, as it is below everything that is mounted in it: for docker export.
    UniqueFd bare_root() const;

  private:
    RootView() = default;

    UniqueFd root_;
    UniqueFd namespace_;  ///< keeps the mounts of an assembled one; to look below what is mounted
};

}  // namespace berth::engine
