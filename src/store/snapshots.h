// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "store/blobs.h"
#include "store/diff.h"
#include "store/unpack.h"

/// Layers and writable snapshots. A *layer* is read-only, made once for each chain id from a tar stream or
/// from a snapshot; a *snapshot* is the writable top of a container (or a build step) over a chain of layers.
/// The driver decides how both look on disk; overlay is the first.
///
///   layer:     absent -> building (row, then folder) -> ready (not synced) -> ready, synced -> removing ->
///   absent snapshot:  absent -> active (row, then folder) -> removing -> absent
///
/// Removing: the row says so, then the folder goes, then the row; anybody may end what a dead process left
/// so. A layer that is not synced when the boot id has changed is made anew from its blob (see
/// Store::repair). Safe for several threads and processes.
namespace berth::store {

/// What mount(2) and the runtime need; see runtime/container.h, RootfsMount.
struct MountPlan {
    std::string type;  ///< "overlay", "bind"
    std::string source;
    std::vector<std::string> options;  ///< lowerdir=…, upperdir=…, workdir=…
};

/// The folders that an overlay puts over each other, uppermost first. None for other mounts.
std::vector<std::string> overlay_folders(const MountPlan& plan);
/// Whether a folder of an overlay's layer hides what is below it (kernel: overlayfs.rst).
bool is_opaque_folder(int folder);

struct LayerInfo {
    Digest chain_id, diff_id;
    std::optional<Digest> parent;  ///< chain id
    uint64_t size = 0;             ///< bytes of file contents
    bool synced = false;
};

struct SnapshotInfo {
    std::string name;
    std::optional<Digest> parent;  ///< chain id; nothing for an empty root
    int64_t created_ns = 0;
    uint64_t quota_bytes = 0;  ///< 0: none
};

struct SnapshotOptions {
    uint64_t quota_bytes = 0;  ///< not_implemented where the file system has no project quotas
    bool is_volatile = false;  ///< thrown away after a crash: the mount gets `volatile`
};

/// A layer in the making; one in all processes for each chain id. Destroyed before commit(): removed. Must
/// not outlive the store.
class LayerBuild {
  public:
    virtual ~LayerBuild() = default;
    /// Empty folder to unpack into.
    virtual int root() const = 0;
    /// Settles what depends on the layers below (which must be ready: else unavailable) and publishes,
    /// protected by the lease.
    virtual LayerInfo commit(const UnpackResult& result) = 0;
};

class Snapshots {
  public:
    static constexpr std::chrono::milliseconds kForever = std::chrono::milliseconds::max();

    virtual ~Snapshots() = default;

    virtual std::optional<LayerInfo> find_layer(const Digest& chain_id) const = 0;
    /// Protects a ready layer with the lease and gives it.
    virtual std::optional<LayerInfo> protect_layer(Lease& lease, const Digest& chain_id) = 0;
    /// Waits while another thread or process builds the same layer. Nothing where it is there in the end
    /// (protected by the lease), or where `limit` has passed: protect_layer() tells which.
    virtual std::unique_ptr<LayerBuild> build_layer(Lease& lease, const Digest& chain_id,
                                                    const Digest& diff_id, std::optional<Digest> parent,
                                                    std::chrono::milliseconds limit = kForever) = 0;
    virtual std::vector<LayerInfo> layers() const = 0;

    /// conflict where the name is taken, not_found where the parent isn't ready.
    virtual SnapshotInfo create(const std::string& name, std::optional<Digest> parent,
                                const SnapshotOptions& options) = 0;
    virtual std::optional<SnapshotInfo> find(const std::string& name) const = 0;
    virtual std::vector<SnapshotInfo> list() const = 0;
    /// not_found where there is none, conflict where it is mounted (in this mount namespace).
    virtual void remove(const std::string& name) = 0;

    /// How to mount a snapshot (writable), or a chain of layers read-only. A volatile snapshot loses the mark
    /// that the kernel left with an earlier mount.
    virtual MountPlan mount_plan(const std::string& name) const = 0;
    virtual MountPlan view_plan(const Digest& chain_id) const = 0;
    virtual std::vector<Change> changes(const std::string& name) const = 0;
    /// The snapshot's changes as a layer tar, uncompressed.
    virtual uint64_t write_diff(const std::string& name, sys::ByteSink& to,
                                const LayerTarOptions& options) const = 0;
    /// Bytes on disk, as du counts them.
    virtual uint64_t snapshot_usage(const std::string& name) const = 0;
    /// Bytes that its own files hold, as `docker ps --size` counts them: a fresh one has none.
    virtual uint64_t content_size(const std::string& name) const = 0;
    virtual uint64_t layer_usage(const Digest& chain_id) const = 0;

    /// Deletes layers that no image, snapshot, lease or child layer holds, and what dead processes left; the
    /// bytes.
    virtual uint64_t collect() = 0;
    /// syncfs, then marks every ready layer as synced. From a background thread after a pull.
    virtual void sync() = 0;
};

/// Mounts a plan on `target` in this mount namespace: up to 500 layers where the kernel takes them one by one
/// (6.8), below that as many as fit into a page when named from the store's own folder (well over 128).
void mount(const MountPlan& plan, const std::string& target);
void unmount(const std::string& target);

}  // namespace berth::store
