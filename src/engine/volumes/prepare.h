// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "engine/volumes/mounts.h"
#include "engine/volumes/volumes.h"
#include "spec/runtime.h"
#include "store/snapshots.h"

namespace berth::engine {

/// An image's file tree, mounted read-only on a folder of the host while it exists.
class ImageMount {
  public:
    ImageMount(const store::MountPlan& plan, std::string folder);
    ImageMount(ImageMount&& other) noexcept : folder_(std::exchange(other.folder_, {})) {}
    ImageMount& operator=(ImageMount&&) = delete;
    ~ImageMount();
    const std::string& folder() const { return folder_; }

  private:
    std::string folder_;
};

/// What the OCI configuration gets for a container's MountPoints and tmpfs mounts. To be kept until the
/// container was created (the shim answered): sources may be named by its descriptors ("/proc/<our
/// pid>/fd/<n>"), so that a subpath can't be exchanged for a symlink between look-up and mount.
struct PreparedMounts {
    std::vector<spec::Mount> mounts;  ///< folders before what lies in them
    /// "", "shared" or "rslave": linux.rootfsPropagation, so that propagation reaches the mounts.
    std::string rootfs_propagation;
    std::vector<UniqueFd> descriptors;
    std::vector<ImageMount> images;
};

struct PrepareRequest {
    std::vector<MountPoint> mounts;
    std::map<std::string, std::string> tmpfs;  ///< HostConfig.Tmpfs
    std::map<std::string, Volume> volumes;     ///< by name: those in `mounts`
    std::string data_root;
    /// Of an image that a mount names (type=image): how to mount its tree.
    std::function<store::MountPlan(const std::string& image)> image_plan;
    std::string mount_folder;  ///< <exec-root>/…: where images are mounted for a moment
};
/// Makes missing folders of -v binds (0755), finds subpaths, checks propagation ("path /x is mounted on / but
/// it is not a shared mount"). Options of volumes that need a mount become mounts of their own in the
/// container's namespace, but type=tmpfs, which Volumes::mounted() has mounted. SELinux's z and Z have no
/// effect. Blocking. Errors in Docker's words.
PreparedMounts prepare_mounts(const PrepareRequest& request);
/// Unmounts what killed daemons left in `mount_folder`. Blocking.
void clean_mount_folder(const std::string& mount_folder);

}  // namespace berth::engine
