// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strings.h"
#include "store/layer_lookup.h"
#include "store/leases.h"
#include "store/mount_options.h"
#include "store/overlay_names.h"
#include "store/overlay_snapshots.h"
#include "store/space.h"
#include "store/tree.h"
#include "sys/file.h"

namespace berth::store {

namespace {

constexpr std::string_view kColumns = "chain_id, diff_id, parent, size, synced, id";

LayerInfo layer_of(const db::Statement& row) {
    LayerInfo info{.chain_id = Digest::parse(row.text(0)),
                   .diff_id = Digest::parse(row.text(1)),
                   .parent = {},
                   .size = static_cast<uint64_t>(row.integer(3)),
                   .synced = row.integer(4) != 0};
    if (auto parent = row.optional_text(2)) info.parent = Digest::parse(*parent);
    return info;
}

struct FoundLayer {
    LayerInfo info;
    int64_t id = 0;
};

std::optional<FoundLayer> ready_layer(db::Database& database, const Digest& chain_id) {
    db::Statement row =
        database
            .prepare(fmt::format("SELECT {} FROM layers WHERE chain_id = ? AND state = 'ready'", kColumns))
            .with(chain_id.text());
    if (!row.step()) return std::nullopt;
    return FoundLayer{.info = layer_of(row), .id = row.integer(5)};
}

Error missing_layer(const Digest& chain_id) {
    return make_error(ErrorKind::unavailable, "layer {} is not in the store; pull its image again",
                      chain_id.text());
}

void protect(db::Database& database, LeaseState& lease, const Digest& chain_id) {
    insert_lease(database, lease);
    database.run("INSERT OR IGNORE INTO lease_layers(lease, chain_id) VALUES (?, ?)", lease.id,
                 chain_id.text());
}

bool is_folder(int dir, const std::string& name) {
    struct stat status{};
    return ::fstatat(dir, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace

/// Owns the lock of its chain id, the row `building` and the folder.
class OverlayLayerBuild : public LayerBuild {
  public:
    OverlayLayerBuild(OverlaySnapshots& snapshots, std::shared_ptr<LeaseState> lease, LayerInfo info,
                      LockFile lock, int64_t id)
        : snapshots_(snapshots),
          lease_(std::move(lease)),
          info_(std::move(info)),
          lock_(std::move(lock)),
          id_(id) {}

    ~OverlayLayerBuild() override {
        folder_.reset();
        try {
            if (!committed_) snapshots_.abandon_build(id_);
        } catch (const std::exception& error) {
            // The row stays, without its lock: the next collection removes both.
            log::debug("removing an unfinished layer {}: {}", info_.chain_id.text(), error.what());
        }
        lock_.remove(snapshots_.builds_dir_.get(), std::string(info_.chain_id.hex()));
    }

    void make_folder() {
        std::string name = folder_name(id_);
        advise_on_space(snapshots_.root_, [&] {
            sys::check(::mkdirat(snapshots_.layers_dir_.get(), name.c_str(), 0755),
                       [&] { return "mkdir " + snapshots_.layer_path(id_); });
        });
        folder_ = sys::open_at(snapshots_.layers_dir_.get(), name, O_RDONLY | O_DIRECTORY);
    }

    int root() const override { return folder_.get(); }

    LayerInfo commit(const UnpackResult& result) override {
        settle_below(result);
        info_.size = result.bytes;
        snapshots_.metadata_.write_relaxed([&](db::Database& database) {
            if (info_.parent && !ready_layer(database, *info_.parent)) throw missing_layer(*info_.parent);
            database.run("UPDATE layers SET state = 'ready', size = ?, is_opaque = ? WHERE id = ?",
                         info_.size, is_opaque(root()), id_);
            protect(database, *lease_, info_.chain_id);
        });
        committed_ = true;
        return info_;
    }

  private:
    void settle_below(const UnpackResult& result) {
        std::vector<UniqueFd> chain = snapshots_.open_chain(info_.parent);
        std::vector<int> lowers;
        for (const UniqueFd& fd : chain) lowers.push_back(fd.get());
        UnpackOptions options;
        options.user_xattrs = needs_user_xattrs();
        advise_on_space(snapshots_.root_, [&] { settle(result, root(), lowers, options); });
    }

    OverlaySnapshots& snapshots_;
    const std::shared_ptr<LeaseState> lease_;
    LayerInfo info_;
    LockFile lock_;
    const int64_t id_;
    UniqueFd folder_;
    bool committed_ = false;
};

std::string OverlaySnapshots::boot_id() {
    return std::string(trim(sys::read_file("/proc/sys/kernel/random/boot_id")));
}

std::string OverlaySnapshots::layer_path(int64_t id) const {
    return fmt::format("{}/l/{}", root_, folder_name(id));
}

std::optional<LayerInfo> OverlaySnapshots::find_layer(const Digest& chain_id) const {
    return metadata_.read([&](db::Database& database) -> std::optional<LayerInfo> {
        std::optional<FoundLayer> found = ready_layer(database, chain_id);
        if (!found) return std::nullopt;
        return found->info;
    });
}

std::vector<LayerInfo> OverlaySnapshots::layers() const {
    return metadata_.read([](db::Database& database) {
        std::vector<LayerInfo> layers;
        db::Statement rows = database.prepare(
            fmt::format("SELECT {} FROM layers WHERE state = 'ready' ORDER BY id", kColumns));
        while (rows.step()) layers.push_back(layer_of(rows));
        return layers;
    });
}

std::optional<LayerInfo> OverlaySnapshots::protect_layer(Lease& lease, const Digest& chain_id) {
    if (!find_layer(chain_id)) return std::nullopt;
    return metadata_.write_relaxed([&](db::Database& database) -> std::optional<LayerInfo> {
        std::optional<FoundLayer> found = ready_layer(database, chain_id);
        if (!found) return std::nullopt;
        if (!is_folder(layers_dir_.get(), folder_name(found->id))) {
            database.run("DELETE FROM layers WHERE id = ?", found->id);
            return std::nullopt;
        }
        protect(database, *lease.state(), chain_id);
        return found->info;
    });
}

std::unique_ptr<LayerBuild> OverlaySnapshots::build_layer(Lease& lease, const Digest& chain_id,
                                                          const Digest& diff_id, std::optional<Digest> parent,
                                                          std::chrono::milliseconds limit) {
    std::string key(chain_id.hex());
    std::optional<LockFile> lock = LockFile::acquire(builds_dir_.get(), key, limit);
    if (!lock) return nullptr;
    if (protect_layer(lease, chain_id)) {
        lock->remove(builds_dir_.get(), key);
        return nullptr;
    }
    LayerInfo info{.chain_id = chain_id, .diff_id = diff_id, .parent = std::move(parent)};
    int64_t id = metadata_.write_relaxed([&](db::Database& database) {
        // What a dead builder left: the lock that its row would need is ours.
        database.run("UPDATE layers SET state = 'removing' WHERE chain_id = ? AND state = 'building'",
                     chain_id.text());
        database.run(
            "INSERT INTO layers(chain_id, diff_id, parent, state, boot_id) VALUES (?, ?, ?, 'building', ?)",
            chain_id.text(), diff_id.text(), info.parent ? std::optional(info.parent->text()) : std::nullopt,
            boot_id());
        return database.last_insert_id();
    });
    auto build =
        std::make_unique<OverlayLayerBuild>(*this, lease.state(), std::move(info), std::move(*lock), id);
    build->make_folder();
    return build;
}

std::vector<int64_t> OverlaySnapshots::chain(const Digest& chain_id) const {
    return metadata_.read([&](db::Database& database) {
        std::vector<int64_t> ids;
        db::Statement rows = database
                                 .prepare(R"sql(
            WITH RECURSIVE chain(id, parent, is_opaque, depth) AS (
                SELECT id, parent, is_opaque, 0 FROM layers WHERE chain_id = ? AND state = 'ready'
                UNION ALL
                SELECT layers.id, layers.parent, layers.is_opaque, chain.depth + 1 FROM chain
                JOIN layers ON layers.chain_id = chain.parent AND layers.state = 'ready'
            ) SELECT id, parent, is_opaque FROM chain ORDER BY depth)sql")
                                 .with(chain_id.text());
        std::optional<std::string> missing = chain_id.text();
        while (rows.step()) {
            ids.push_back(rows.integer(0));
            missing = rows.optional_text(1);
            if (rows.integer(2) == 0) continue;
            // Overlayfs takes no notice of the mark on a layer's root: what lies below is left out.
            missing.reset();
            break;
        }
        if (missing) throw missing_layer(Digest::parse(*missing));
        return ids;
    });
}

std::vector<UniqueFd> OverlaySnapshots::open_chain(const std::optional<Digest>& chain_id) const {
    std::vector<UniqueFd> folders;
    if (!chain_id) return folders;
    for (int64_t id : chain(*chain_id))
        folders.push_back(sys::open_at(layers_dir_.get(), folder_name(id), O_RDONLY | O_DIRECTORY));
    return folders;
}

std::vector<std::string> OverlaySnapshots::chain_paths(const std::optional<Digest>& chain_id) const {
    std::vector<std::string> paths;
    if (!chain_id) return paths;
    for (int64_t id : chain(*chain_id)) paths.push_back(layer_path(id));
    return paths;
}

UniqueFd OverlaySnapshots::open_layer(const Digest& chain_id) const {
    auto id = metadata_.read([&](db::Database& database) -> std::optional<int64_t> {
        std::optional<FoundLayer> found = ready_layer(database, chain_id);
        if (!found) return std::nullopt;
        return found->id;
    });
    if (!id) throw missing_layer(chain_id);
    return sys::open_at(layers_dir_.get(), folder_name(*id), O_RDONLY | O_DIRECTORY);
}

/// A layer never changes, and what is on disk has its final form: walked once.
uint64_t OverlaySnapshots::layer_usage(const Digest& chain_id) const {
    struct Known {
        FoundLayer layer;
        std::optional<uint64_t> bytes;
    };
    Known known = metadata_.read([&](db::Database& database) {
        std::optional<FoundLayer> found = ready_layer(database, chain_id);
        if (!found) throw missing_layer(chain_id);
        Known result{.layer = *found, .bytes = {}};
        db::Statement row = database.prepare("SELECT disk_bytes FROM layers WHERE id = ?").with(found->id);
        if (row.step() && !row.is_null(0)) result.bytes = static_cast<uint64_t>(row.integer(0));
        return result;
    });
    if (known.bytes) return *known.bytes;
    uint64_t bytes = disk_usage(layers_dir_.get(), folder_name(known.layer.id));
    if (known.layer.info.synced)
        metadata_.write_relaxed([&](db::Database& database) {
            database.run("UPDATE layers SET disk_bytes = ? WHERE id = ?", bytes, known.layer.id);
        });
    return bytes;
}

void OverlaySnapshots::sync() {
    std::vector<int64_t> ids = metadata_.read([](db::Database& database) {
        std::vector<int64_t> ready;
        db::Statement rows = database.prepare("SELECT id FROM layers WHERE state = 'ready' AND synced = 0");
        while (rows.step()) ready.push_back(rows.integer(0));
        return ready;
    });
    if (ids.empty()) return;
    sys::check(::syncfs(root_dir_.get()), [&] { return "syncfs " + root_; });
    metadata_.write([&](db::Database& database) {
        for (int64_t id : ids) database.run("UPDATE layers SET synced = 1 WHERE id = ?", id);
    });
}

}  // namespace berth::store
