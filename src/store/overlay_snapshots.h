// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "store/lock_file.h"
#include "store/snapshots.h"

namespace berth::store {

/// Layers and snapshots as folders for overlayfs:
///
///   <root>/l/<n>            a layer's content; <n> is its row's number in base 36: many fit into mount
///   options <root>/l/0              empty: overlayfs wants a layer below, and two of them for a view
///   <root>/s/<n>/{fs,work}  a snapshot's upper and work folder
///   <root>/builds/<name>    locked by who builds the layer of a chain id, or removes a folder
///
/// A row comes before its folder and goes after it. A `building` row whose lock is free was left by a process
/// that died.
/// See Store::Options.
struct OverlaySettings {
    bool relaxed = false;
    std::string base;
};

class OverlaySnapshots : public Snapshots {
  public:
    /// `root`: absolute, without symlinks. `metadata` has the schema's tables and outlives this.
    OverlaySnapshots(Metadata& metadata, std::string root, OverlaySettings settings);
    ~OverlaySnapshots() override;

    std::optional<LayerInfo> find_layer(const Digest& chain_id) const override;
    std::optional<LayerInfo> protect_layer(Lease& lease, const Digest& chain_id) override;
    std::unique_ptr<LayerBuild> build_layer(Lease& lease, const Digest& chain_id, const Digest& diff_id,
                                            std::optional<Digest> parent,
                                            std::chrono::milliseconds limit = kForever) override;
    std::vector<LayerInfo> layers() const override;

    SnapshotInfo create(const std::string& name, std::optional<Digest> parent,
                        const SnapshotOptions& options) override;
    std::optional<SnapshotInfo> find(const std::string& name) const override;
    std::vector<SnapshotInfo> list() const override;
    void remove(const std::string& name) override;

    MountPlan mount_plan(const std::string& name) const override;
    MountPlan view_plan(const Digest& chain_id) const override;
    std::vector<Change> changes(const std::string& name) const override;
    uint64_t write_diff(const std::string& name, sys::ByteSink& to,
                        const LayerTarOptions& options) const override;
    uint64_t snapshot_usage(const std::string& name) const override;
    uint64_t content_size(const std::string& name) const override;
    uint64_t layer_usage(const Digest& chain_id) const override;

    uint64_t collect() override;
    void sync() override;

    /// By the sole opener of the store: drops what is not whole, and layers that a power cut may have
    /// damaged.
    void recover();
    /// In a write transaction: marks the layers that nothing holds as removing; their chain ids, uppermost
    /// first.
    static std::vector<Digest> release_unheld(db::Database& database);
    /// Removes the folders of everything that is marked, then the rows; the bytes. What a mount of this
    /// namespace has as a layer stays until that ends. What can't be removed (a mount in it, an immutable
    /// file) is told as a warning, and stays marked.
    uint64_t finish_removals();
    /// A ready layer's folder. Throws not_found.
    UniqueFd open_layer(const Digest& chain_id) const;

  private:
    friend class OverlayLayerBuild;
    /// What a number stands for: a layer or a snapshot.
    enum class Kind { layer, snapshot };
    struct SnapshotRow {
        int64_t id = 0;
        SnapshotInfo info;
        bool is_volatile = false;
    };

    int folder(Kind kind) const { return kind == Kind::layer ? layers_dir_.get() : snapshots_dir_.get(); }
    static std::string boot_id();
    std::string layer_path(int64_t id) const;
    std::string snapshot_path(int64_t id) const;
    /// Numbers of the layers, uppermost first. Throws unavailable where one is missing.
    std::vector<int64_t> chain(const Digest& chain_id) const;
    std::vector<UniqueFd> open_chain(const std::optional<Digest>& chain_id) const;
    std::vector<std::string> chain_paths(const std::optional<Digest>& chain_id) const;
    SnapshotRow row(const std::string& name) const;
    UniqueFd open_upper(const SnapshotRow& row) const;
    int64_t insert_snapshot(const SnapshotInfo& info, bool is_volatile);
    void make_folders(int64_t id, const SnapshotInfo& info);
    uint64_t finish_removal(Kind kind, int64_t id);
    void abandon_build(int64_t id);
    uint64_t abandon_dead_builds();
    void remove_strays(Kind kind);

    Metadata& metadata_;
    const std::string root_;
    const OverlaySettings settings_;
    UniqueFd root_dir_, layers_dir_, snapshots_dir_, builds_dir_, leases_dir_;
};

}  // namespace berth::store
