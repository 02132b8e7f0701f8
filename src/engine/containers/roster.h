// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/containers/containers.h"
#include "engine/containers/lookup.h"
#include "engine/containers/managed.h"
#include "engine/containers/shim_program.h"
#include "engine/containers/spare_shim.h"

namespace berth::engine {

/// All containers, and what operations on them share. Belongs to the control context. Operations that run in
/// the background hold it, so it outlives the Containers that made it.
struct Roster : std::enable_shared_from_this<Roster> {
    explicit Roster(Containers::Dependencies dependencies);

    /// Throws not_found "No such container: x", or for an ambiguous prefix, as Docker.
    ContainerPointer get(std::string_view reference) const;
    ContainerPointer make(ContainerRecord record, ContainerState state);
    std::shared_ptr<Life> make_life(int64_t generation);
    /// No shim is listened to any more. What listens holds what it listens to, so without this lives whose
    /// end has not come when the daemon ends would never be freed.
    void leave_shims();

    std::string directory_of(const std::string& id) const;
    std::string bundle_of(const std::string& id) const;
    std::string mounts_folder() const;  ///< where images are mounted for a moment
    std::string shared_memory_of(const std::string& id) const;

    /// Commits to StateDb. The container in memory is left alone.
    async::Task<void> write_new(const ContainerRecord& record, const ContainerState& state);
    async::Task<void> write_state(const std::string& id, const ContainerState& state);
    async::Task<void> write_record(const ContainerRecord& record);
    async::Task<void> erase(const std::string& id);
    /// Commits `state`, then shows it.
    async::Task<void> change_state(ContainerPointer container, ContainerState state);

    void publish(const ManagedContainer& container, std::string action,
                 std::map<std::string, std::string> more = {}) const;

    Containers::Dependencies services;
    /// As `services.config` is now: for jobs on the pool, which a reload must not touch.
    std::shared_ptr<const DaemonConfig> config;
    ShimProgram shim_program;
    SpareShim shims{shim_program.executable()};
    ContainerIndex<ManagedContainer> containers;
    /// Removals whose second part is under way (remove.h); two of them at a time use the disk.
    size_t cleanups = 0;
    async::Event cleaned_up;
    async::Semaphore cleanup_turns;
    bool is_shutting_down = false;  ///< no restarts any more

  private:
    std::vector<std::weak_ptr<Life>> lives_;  ///< those of removed containers too
};

using RosterPointer = std::shared_ptr<Roster>;

}  // namespace berth::engine
