// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <mutex>
#include <utility>

#include "db/database.h"
#include "store/space.h"

namespace berth::store {

/// A database that several threads use: one connection, one at a time. A full disk is told with what to do
/// about it.
class Metadata {
  public:
    explicit Metadata(db::Database database) : database_(std::move(database)) {}

    /// Runs `work(database)` alone, in a write transaction that is committed when it returns. It and all that
    /// were committed before survive a power cut once this returns. `work` must not call back into this
    /// object.
    template <typename Work>
    auto write(Work&& work) {
        std::lock_guard lock(mutex_);
        return transact(std::forward<Work>(work));
    }

    /// The same, but not synced: a power cut (not the end of the process) may undo it, together with what was
    /// committed after it. For what a recovery can do without: leases, collections, layers that can be made
    /// again.
    template <typename Work>
    auto write_relaxed(Work&& work) {
        std::lock_guard lock(mutex_);
        Relaxed relaxed(database_);
        return transact(std::forward<Work>(work));
    }

    /// Runs `work(database)`, which only reads, alone: it sees one state, the last that was committed.
    template <typename Work>
    auto read(Work&& work) {
        std::lock_guard lock(mutex_);
        db::ReadTransaction transaction(database_);
        return work(database_);
    }

    /// From now on, checkpoints, which sync both of its files in the midst of somebody's write, are left to
    /// sync().
    void take_over_checkpoints();
    /// What was written relaxed survives a power cut once this returns. Nobody's write waits for it; reads
    /// and writes may go on meanwhile.
    void sync();

  private:
    /// In WAL mode `normal` leaves out the sync at each commit (sqlite.org/pragma.html#pragma_synchronous);
    /// the next `full` commit syncs the whole log, so also what came before it.
    struct Relaxed {
        explicit Relaxed(db::Database& on) : database(on) { database.execute("PRAGMA synchronous=NORMAL"); }
        Relaxed(const Relaxed&) = delete;
        Relaxed& operator=(const Relaxed&) = delete;
        ~Relaxed() {
            try {
                database.execute("PRAGMA synchronous=FULL");
            } catch (const Error&) {
                // Only a closed database or a lack of memory can refuse; the next statement tells.
            }
        }
        db::Database& database;
    };

    template <typename Work>
    auto transact(Work&& work) {
        return advise_on_space(database_.path(), [&] {
            db::Transaction transaction(database_);
            if constexpr (std::is_void_v<decltype(work(database_))>) {
                work(database_);
                transaction.commit();
            } else {
                auto result = work(database_);
                transaction.commit();
                return result;
            }
        });
    }

    std::mutex mutex_;
    db::Database database_;
};

}  // namespace berth::store
