// SPDX-License-Identifier: Apache-2.0
#include "store/overlay_snapshots.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strings.h"
#include "store/leases.h"
#include "store/mount_options.h"
#include "store/overlay_names.h"
#include "store/quota.h"
#include "store/space.h"
#include "store/tree.h"
#include "sys/file.h"

namespace berth::store {

namespace {

Error no_snapshot(const std::string& name) {
    return make_error(ErrorKind::not_found, "No such snapshot: {}", name);
}

/// The root of the merged tree is the upper folder: it looks like the root of the layer below.
void copy_folder_metadata(int from, int to) {
    struct stat status{};
    sys::check(::fstat(from, &status), "fstat");
    sys::check(::fchown(to, status.st_uid, status.st_gid), "chown the snapshot's root");
    sys::check(::fchmod(to, status.st_mode & 07777), "chmod the snapshot's root");
    timespec times[2] = {status.st_atim, status.st_mtim};
    sys::check(::futimens(to, times), "set the times of the snapshot's root");
}

}  // namespace

OverlaySnapshots::OverlaySnapshots(Metadata& metadata, std::string root, OverlaySettings settings)
    : metadata_(metadata),
      root_(std::move(root)),
      settings_(std::move(settings)),
      root_dir_(sys::open_file(root_, O_RDONLY | O_DIRECTORY)),
      layers_dir_(make_folder(root_ + "/l")),
      snapshots_dir_(make_folder(root_ + "/s")),
      builds_dir_(make_folder(root_ + "/builds")),
      leases_dir_(make_folder(root_ + "/leases")) {
    if (::mkdirat(layers_dir_.get(), kEmptyLayer, 0755) < 0 && errno != EEXIST)
        throw with_space_advice(errno_error(errno, "mkdir " + root_ + "/l/0"), root_);
}
OverlaySnapshots::~OverlaySnapshots() = default;

std::string OverlaySnapshots::snapshot_path(int64_t id) const {
    return fmt::format("{}/s/{}", root_, folder_name(id));
}

SnapshotInfo OverlaySnapshots::create(const std::string& name, std::optional<Digest> parent,
                                      const SnapshotOptions& options) {
    if (name.empty()) throw Error(ErrorKind::invalid_argument, "a snapshot needs a name");
    metadata_.require_room();
    SnapshotInfo info{.name = name,
                      .parent = std::move(parent),
                      .created_ns = now_ns(),
                      .quota_bytes = options.quota_bytes};
    int64_t id = insert_snapshot(info, options.is_volatile);
    try {
        advise_on_space(root_, [&] { make_folders(id, info); });
    } catch (...) {
        metadata_.write_relaxed([&](db::Database& database) {
            database.run("UPDATE snapshots SET state = 'removing', name = NULL WHERE id = ?", id);
        });
        finish_removal(Kind::snapshot, id);
        throw;
    }
    return info;
}

int64_t OverlaySnapshots::insert_snapshot(const SnapshotInfo& info, bool is_volatile) {
    auto insert = [&](db::Database& database) {
        if (database.prepare("SELECT 1 FROM snapshots WHERE name = ?").with(info.name).step())
            throw make_error(ErrorKind::conflict, "snapshot {} already exists", info.name);
        if (info.parent && !database.prepare("SELECT 1 FROM layers WHERE chain_id = ? AND state = 'ready'")
                                .with(info.parent->text())
                                .step())
            throw make_error(ErrorKind::not_found, "layer {} is not in the store", info.parent->text());
        database.run(
            "INSERT INTO snapshots(name, parent, state, created_ns, quota_bytes, is_volatile) "
            "VALUES (?, ?, 'active', ?, ?, ?)",
            info.name, info.parent ? std::optional(info.parent->text()) : std::nullopt, info.created_ns,
            info.quota_bytes, is_volatile);
        return database.last_insert_id();
    };
    return is_volatile || settings_.relaxed ? metadata_.write_relaxed(insert) : metadata_.write(insert);
}

void OverlaySnapshots::make_folders(int64_t id, const SnapshotInfo& info) {
    std::string name = folder_name(id), path = snapshot_path(id);
    sys::check(::mkdirat(snapshots_dir_.get(), name.c_str(), 0700), [&] { return "mkdir " + path; });
    UniqueFd own = sys::open_at(snapshots_dir_.get(), name, O_RDONLY | O_DIRECTORY);
    if (info.quota_bytes > 0) set_project_quota(own.get(), root_, project_of(id), info.quota_bytes);
    sys::check(::mkdirat(own.get(), "work", 0700), [&] { return "mkdir " + path + "/work"; });
    // Named when it is whole: recovery tells by it.
    sys::check(::mkdirat(own.get(), "new", 0755), [&] { return "mkdir " + path + "/new"; });
    if (info.parent) {
        UniqueFd upper = sys::open_at(own.get(), "new", O_RDONLY | O_DIRECTORY);
        copy_folder_metadata(open_layer(*info.parent).get(), upper.get());
    }
    sys::check(::renameat(own.get(), "new", own.get(), "fs"), [&] { return "rename " + path + "/new"; });
}

std::optional<SnapshotInfo> OverlaySnapshots::find(const std::string& name) const {
    try {
        return row(name).info;
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::not_found) return std::nullopt;
        throw;
    }
}

OverlaySnapshots::SnapshotRow OverlaySnapshots::row(const std::string& name) const {
    return metadata_.read([&](db::Database& database) {
        db::Statement found =
            database
                .prepare(
                    "SELECT id, parent, created_ns, quota_bytes, is_volatile FROM snapshots "
                    "WHERE name = ? AND state = 'active'")
                .with(name);
        if (!found.step()) throw no_snapshot(name);
        SnapshotRow row{.id = found.integer(0), .info = {.name = name}, .is_volatile = found.integer(4) != 0};
        if (auto parent = found.optional_text(1)) row.info.parent = Digest::parse(*parent);
        row.info.created_ns = found.integer(2);
        row.info.quota_bytes = static_cast<uint64_t>(found.integer(3));
        return row;
    });
}

std::vector<SnapshotInfo> OverlaySnapshots::list() const {
    return metadata_.read([](db::Database& database) {
        std::vector<SnapshotInfo> snapshots;
        db::Statement rows = database.prepare(
            "SELECT name, parent, created_ns, quota_bytes FROM snapshots WHERE state = 'active' ORDER BY "
            "name");
        while (rows.step()) {
            SnapshotInfo info{.name = rows.text(0)};
            if (auto parent = rows.optional_text(1)) info.parent = Digest::parse(*parent);
            info.created_ns = rows.integer(2);
            info.quota_bytes = static_cast<uint64_t>(rows.integer(3));
            snapshots.push_back(std::move(info));
        }
        return snapshots;
    });
}

void OverlaySnapshots::remove(const std::string& name) {
    SnapshotRow snapshot = row(name);
    if (is_in_a_mount(sys::read_file("/proc/self/mountinfo"), snapshot_path(snapshot.id) + "/fs"))
        throw make_error(ErrorKind::conflict, "snapshot {} is mounted", name);
    auto mark = [&](db::Database& database) {
        database.run("UPDATE snapshots SET state = 'removing', name = NULL WHERE id = ?", snapshot.id);
    };
    snapshot.is_volatile || settings_.relaxed ? metadata_.write_relaxed(mark) : metadata_.write(mark);
    finish_removal(Kind::snapshot, snapshot.id);
}

MountPlan OverlaySnapshots::mount_plan(const std::string& name) const {
    SnapshotRow snapshot = row(name);
    std::string path = snapshot_path(snapshot.id);
    // After a mount with `volatile` the kernel refuses the next one, until its mark is gone (overlayfs.rst,
    // "Volatile mount"): nothing was lost unless the machine went down, and then whoever asked for it does
    // without.
    if (snapshot.is_volatile) {
        UniqueFd own = sys::open_at(snapshots_dir_.get(), folder_name(snapshot.id), O_RDONLY | O_DIRECTORY);
        if (auto work = sys::try_open_at(own.get(), "work/work", O_RDONLY | O_DIRECTORY))
            remove_tree(work->get(), "incompat");
    }
    OverlayFolders folders{.lowers = chain_paths(snapshot.info.parent),
                           .upper = path + "/fs",
                           .work = path + "/work",
                           .is_volatile = snapshot.is_volatile};
    if (!settings_.base.empty()) folders.lowers.push_back(settings_.base);
    if (folders.lowers.empty()) folders.lowers.push_back(root_ + "/l/" + kEmptyLayer);
    return overlay_plan(folders);
}

MountPlan OverlaySnapshots::view_plan(const Digest& chain_id) const {
    OverlayFolders folders{.lowers = chain_paths(chain_id)};
    if (folders.lowers.size() == 1) folders.lowers.push_back(root_ + "/l/" + kEmptyLayer);
    return overlay_plan(folders);
}

UniqueFd OverlaySnapshots::open_upper(const SnapshotRow& snapshot) const {
    return sys::open_at(snapshots_dir_.get(), folder_name(snapshot.id) + "/fs", O_RDONLY | O_DIRECTORY);
}

std::vector<Change> OverlaySnapshots::changes(const std::string& name) const {
    SnapshotRow snapshot = row(name);
    std::vector<UniqueFd> chain = open_chain(snapshot.info.parent);
    std::vector<int> lowers;
    for (const UniqueFd& fd : chain) lowers.push_back(fd.get());
    return store::changes(open_upper(snapshot).get(), lowers);
}

uint64_t OverlaySnapshots::write_diff(const std::string& name, sys::ByteSink& to,
                                      const LayerTarOptions& options) const {
    return write_layer_tar(open_upper(row(name)).get(), to, options);
}

uint64_t OverlaySnapshots::snapshot_usage(const std::string& name) const {
    return disk_usage(snapshots_dir_.get(), folder_name(row(name).id));
}

uint64_t OverlaySnapshots::content_size(const std::string& name) const {
    return store::content_size(snapshots_dir_.get(), folder_name(row(name).id) + "/fs");
}

}  // namespace berth::store
