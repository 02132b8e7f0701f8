// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "async/context.h"
#include "engine/config/daemon_config.h"
#include "engine/volumes/mounts.h"
#include "spec/api/filters.h"
#include "spec/api/volume_views.h"

namespace berth::engine {

class Events;
class StateDb;

/// A volume as it is kept; "Scope" is "local" for all.
struct Volume {
    std::string name;
    std::string driver;      ///< "local"
    std::string mountpoint;  ///< <data-root>/volumes/<name>/_data
    int64_t created_ns = 0;
    std::map<std::string, std::string> labels;
    std::map<std::string, std::string> options;  ///< type, o, device, size

    /// Its content is a file system that is mounted while containers use it (docs/volumes.md).
    bool needs_mount() const { return options.contains("type") || options.contains("device"); }
};

struct VolumeUsage {
    Volume volume;
    int64_t size = -1;  ///< bytes on disk; -1: not known (one that needs a mount)
    int64_t references = 0;
};

struct VolumeCreate {
    std::string name;    ///< "": anonymous (64 hex digits, label com.docker.volume.anonymous)
    std::string driver;  ///< "" or "local"
    std::map<std::string, std::string> options, labels;
};

struct VolumePruned {
    std::vector<std::string> deleted;
    uint64_t reclaimed_bytes = 0;
};

/// The volumes of the driver "local". Belongs to the control context. Publishes the events create, mount,
/// unmount, destroy, prune.
///
/// A volume's row is written after its folder is made, and deleted before its folder goes: a folder without a
/// row is left of a killed daemon, and removed at the start. Who uses a volume is in memory only: containers
/// tell it (acquire, restore, release).
class Volumes {
  public:
    static constexpr std::string_view kAnonymousLabel = "com.docker.volume.anonymous";

    /// Reads the table and looks through <data-root>/volumes. Blocking.
    Volumes(async::Context& control, const DaemonConfig& config, StateDb& database, Events& events);
    ~Volumes();
    Volumes(const Volumes&) = delete;
    Volumes& operator=(const Volumes&) = delete;

    /// An existing one is given back as it is, whatever options are given, as with Docker. Docker's rules for
    /// names and options, and its messages.
    async::Task<Volume> create(VolumeCreate request);
    /// not_found "get x: no such volume".
    Volume inspect(std::string_view name) const;
    std::optional<Volume> find(std::string_view name) const;
    /// Sorted by name. Filters: dangling, driver, label, name; others are refused.
    std::vector<Volume> list(const spec::api::Filters& filters) const;
    /// conflict "remove x: volume is in use - [ids]". With force an absent one is fine.
    async::Task<void> remove(std::string name, bool force);
    /// What no container holds: anonymous ones, with the filter all=true named ones too (so it always was
    /// before API 1.42: the route adds it). Further filters: label, label!. Volumes with options stay.
    async::Task<VolumePruned> prune(spec::api::Filters filters);
    /// Sizes as du counts them: for df.
    async::Task<std::vector<VolumeUsage>> usage();

    // --- for containers ------------------------------------------------------------------------------------

    /// Create: makes the volumes of `mounts` that don't exist, holds all for the container, and fills in
    /// their names, sources and drivers. Where it throws nothing is held, and what it made is gone again.
    async::Task<std::vector<MountPoint>> acquire(std::string container_id, std::vector<MountPoint> mounts);
    /// At the daemon's start, for each container: it holds the volumes of `mounts`. Those of a running one
    /// count as mounted.
    void restore(const std::string& container_id, const std::vector<MountPoint>& mounts, bool is_running);
    /// After all restore(): unmounts shared file systems that no running container uses. Blocking.
    void finish_restore();
    /// Remove: lets go of all. With `remove_anonymous` (`rm -v`, `--rm`) its anonymous volumes go if nobody
    /// else holds them; failures are logged.
    async::Task<void> release(std::string container_id, bool remove_anonymous);

    /// Start: mounts what the container's volumes share between containers (type=tmpfs) on their mountpoints
    /// and publishes their `mount` events. unmounted() undoes it.
    async::Task<void> mounted(std::string container_id, std::vector<MountPoint> mounts);
    /// The container has ended: what no running container uses any more is unmounted.
    async::Task<void> unmounted(std::string container_id);

  private:
    struct State;
    std::shared_ptr<State> state_;
};

/// As the API shows it, without UsageData.
spec::api::Volume volume_view(const Volume& volume);

}  // namespace berth::engine
