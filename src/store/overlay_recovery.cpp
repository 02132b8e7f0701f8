// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "base/log.h"
#include "store/leases.h"
#include "store/mount_options.h"
#include "store/overlay_names.h"
#include "store/overlay_snapshots.h"
#include "store/quota.h"
#include "store/space.h"
#include "store/tree.h"
#include "sys/file.h"

namespace berth::store {

namespace {

struct Numbered {
    int64_t id = 0;
    std::string text;
};

template <typename... Args>
std::vector<Numbered> select(db::Database& database, std::string_view sql, const Args&... args) {
    std::vector<Numbered> result;
    db::Statement rows = database.prepare(sql).with(args...);
    while (rows.step()) result.push_back({rows.integer(0), rows.text(1)});
    return result;
}

/// Runs `remove`; a failure keeps nothing else from being removed, and is tried again by the next collection.
template <typename Remove>
uint64_t removing(std::string_view what, Remove&& remove) {
    try {
        return remove();
    } catch (const Error& error) {
        if (is_out_of_space(error)) throw;
        log::warning("removing {}: {}", what, error.what());
        return 0;
    }
}

bool is_present(int dir, const std::string& name) {
    return ::faccessat(dir, name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

}  // namespace

std::vector<Digest> OverlaySnapshots::release_unheld(db::Database& database) {
    std::vector<Digest> released;
    // A round for each layer of the longest chain: what was held by nothing but its child is free when that
    // is gone.
    while (true) {
        size_t before = released.size();
        db::Statement rows = database.prepare(R"sql(
            UPDATE layers SET state = 'removing'
            WHERE state = 'ready'
              AND chain_id NOT IN (SELECT chain_id FROM image_layers WHERE chain_id IS NOT NULL)
              AND chain_id NOT IN (SELECT parent FROM snapshots WHERE state = 'active' AND parent IS NOT NULL)
              AND chain_id NOT IN (SELECT chain_id FROM lease_layers)
              AND chain_id NOT IN (SELECT parent FROM layers WHERE state != 'removing' AND parent IS NOT NULL)
            RETURNING chain_id)sql");
        while (rows.step()) released.push_back(Digest::parse(rows.text(0)));
        if (released.size() == before) return released;
    }
}

uint64_t OverlaySnapshots::collect() {
    uint64_t bytes = abandon_dead_builds();
    metadata_.write_relaxed([&](db::Database& database) {
        end_dead_leases(database, leases_dir_.get());
        release_unheld(database);
    });
    return bytes + finish_removals();
}

/// By who holds the lock of its chain id. The folder goes first: it may be what fills the disk, and then
/// there is no room to write a row.
void OverlaySnapshots::abandon_build(int64_t id) {
    remove_tree(layers_dir_.get(), folder_name(id));
    metadata_.write_relaxed([&](db::Database& database) {
        database.run("DELETE FROM layers WHERE id = ? AND state = 'building'", id);
    });
}

uint64_t OverlaySnapshots::abandon_dead_builds() {
    auto builds = [&](const std::string& chain_id) {
        return metadata_.read([&](db::Database& database) {
            return select(database,
                          "SELECT id, chain_id FROM layers WHERE state = 'building' AND chain_id LIKE ?",
                          chain_id);
        });
    };
    uint64_t bytes = 0;
    for (const Numbered& build : builds("%")) {
        std::string key(Digest::parse(build.text).hex());
        std::optional<LockFile> lock =
            LockFile::acquire(builds_dir_.get(), key, std::chrono::milliseconds(0));
        if (!lock) continue;
        // Under the lock: its builder may have finished meanwhile.
        for (const Numbered& dead : builds(build.text))
            bytes += removing(layer_path(dead.id), [&] {
                uint64_t size = disk_usage(layers_dir_.get(), folder_name(dead.id));
                abandon_build(dead.id);
                return size;
            });
        lock->remove(builds_dir_.get(), key);
    }
    // Locks of those who died after their work was done.
    for (const std::string& name : sys::list_dir(builds_dir_.get()))
        if (auto lock = LockFile::try_present(builds_dir_.get(), name)) lock->remove(builds_dir_.get(), name);
    return bytes;
}

uint64_t OverlaySnapshots::finish_removals() {
    uint64_t bytes = 0;
    auto marked = [&](std::string_view table) {
        return metadata_.read([&](db::Database& database) {
            return select(database, fmt::format("SELECT id, '' FROM {} WHERE state = 'removing'", table));
        });
    };
    std::string mounts = sys::read_file("/proc/self/mountinfo");
    auto finish = [&](Kind kind, int64_t id, const std::string& path, const std::string& mounted) {
        if (is_in_a_mount(mounts, mounted)) return;
        bytes += removing(path, [&] { return finish_removal(kind, id); });
    };
    for (const Numbered& layer : marked("layers"))
        finish(Kind::layer, layer.id, layer_path(layer.id), layer_path(layer.id));
    for (const Numbered& snapshot : marked("snapshots"))
        finish(Kind::snapshot, snapshot.id, snapshot_path(snapshot.id), snapshot_path(snapshot.id) + "/fs");
    return bytes;
}

/// One remover at a time; who comes second leaves it to the first.
uint64_t OverlaySnapshots::finish_removal(Kind kind, int64_t id) {
    bool is_layer = kind == Kind::layer;
    std::string name = folder_name(id), key = fmt::format("remove-{}-{}", is_layer ? 'l' : 's', name);
    std::optional<LockFile> lock = LockFile::acquire(builds_dir_.get(), key, std::chrono::milliseconds(0));
    if (!lock) return 0;
    uint64_t bytes = disk_usage(folder(kind), name);
    remove_tree(folder(kind), name);
    metadata_.write_relaxed([&](db::Database& database) {
        if (!is_layer) {
            db::Statement row = database.prepare("SELECT quota_bytes FROM snapshots WHERE id = ?").with(id);
            if (row.step() && row.integer(0) > 0) clear_project_quota(snapshots_dir_.get(), project_of(id));
        }
        database.run(fmt::format("DELETE FROM {} WHERE id = ? AND state = 'removing'",
                                 is_layer ? "layers" : "snapshots"),
                     id);
    });
    lock->remove(builds_dir_.get(), key);
    return bytes;
}

void OverlaySnapshots::recover() {
    abandon_dead_builds();
    metadata_.write_relaxed([&](db::Database& database) {
        // Files of a layer that was not synced may be empty or short after a power cut.
        database.run(
            "UPDATE layers SET state = 'removing' WHERE state = 'ready' AND synced = 0 AND boot_id <> ?",
            boot_id());
        for (const Numbered& layer : select(database, "SELECT id, '' FROM layers WHERE state = 'ready'"))
            if (!is_present(layers_dir_.get(), folder_name(layer.id)))
                database.run("DELETE FROM layers WHERE id = ?", layer.id);
        // Its creator died before the folders were whole: nobody was told that there is one.
        for (const Numbered& snapshot :
             select(database, "SELECT id, '' FROM snapshots WHERE state = 'active'"))
            if (!is_present(snapshots_dir_.get(), folder_name(snapshot.id) + "/fs"))
                database.run("UPDATE snapshots SET state = 'removing', name = NULL WHERE id = ?",
                             snapshot.id);
    });
    finish_removals();
    remove_strays(Kind::layer);
    remove_strays(Kind::snapshot);
    for (const std::string& name : sys::list_dir(builds_dir_.get()))
        ::unlinkat(builds_dir_.get(), name.c_str(), 0);
}

/// Folders whose row a power cut undid.
void OverlaySnapshots::remove_strays(Kind kind) {
    std::set<std::string> known{kEmptyLayer};
    auto rows = metadata_.read([&](db::Database& database) {
        return select(database,
                      kind == Kind::layer ? "SELECT id, '' FROM layers" : "SELECT id, '' FROM snapshots");
    });
    for (const Numbered& row : rows) known.insert(folder_name(row.id));
    for (const std::string& name : sys::list_dir(folder(kind)))
        if (!known.contains(name))
            removing(name, [&] {
                remove_tree(folder(kind), name);
                return 0;
            });
}

}  // namespace berth::store
