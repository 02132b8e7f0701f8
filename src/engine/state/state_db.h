// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "async/context.h"
#include "db/database.h"

/// The engine's own database, <data-root>/engine.db: containers, volumes, events, cursors of log forwarders.
///
///   containers(id, name, record, state)   record: what create made of the request; state: what changes
///   volumes(name, record)
///   networks(id, name, record)
///   virtual_addresses(network, service, address)   of services on networks
///   events(id, time_ns, body)
///   meta(key, value)                      boot_id: of the boot that last wrote
///
/// All of it is read once, at the daemon's start; afterwards services keep it in memory and only write.
namespace berth::engine {

/// Belongs to the control context; used by its coroutines alone.
class StateDb {
  public:
    using Work = std::function<void(db::Database&)>;

    /// Opens or creates the file and brings its schema up to date. Blocking.
    StateDb(async::Context& context, const std::string& path);
    /// What is queued is written, and synced. Blocking.
    ~StateDb();
    StateDb(const StateDb&) = delete;
    StateDb& operator=(const StateDb&) = delete;

    /// Runs `work` on a thread of its own, in one transaction with all that was queued meanwhile (group
    /// commit; in the order of the calls), and returns when it is committed: from then on it survives
    /// `kill -9` of the daemon. A power cut may take what was committed in the last 100 ms, see sync(). What
    /// `work` throws undoes its own part only and is thrown here. `work` owns what it refers to: the caller
    /// may be cancelled meanwhile.
    async::Task<void> write(Work work);
    /// As write(), for whom nobody waits: failures are logged with `what`.
    void write_later(std::string what, Work work);
    /// Returns when all that was written before survives a power cut.
    async::Task<void> sync();

    /// Before anything is written: `sync` (blocking, on the pool) is called before each sync of the database,
    /// for what its rows refer to.
    void sync_also(std::function<void()> sync);

    /// Blocking: for the start of the daemon.
    void read(const Work& work);

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace berth::engine
