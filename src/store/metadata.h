// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
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
        KeepRoom after{*this};
        return transact(std::forward<Work>(work));
    }

    /// The same, but not synced: a power cut (not the end of the process) may undo it, together with what was
    /// committed after it. For what a recovery can do without: leases, collections, layers that can be made
    /// again.
    template <typename Work>
    auto write_relaxed(Work&& work) {
        std::lock_guard lock(mutex_);
        KeepRoom after{*this};
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

    /// For who lives long. From now on, checkpoints, which sync both of its files in the midst of somebody's
    /// write, are left to sync(); and the write-ahead log has blocks ahead of its end that nobody else can
    /// take, so that on a full disk what ends or is removed can be written down.
    void take_over_checkpoints();
    /// Before what takes space for good is begun: throws where the disk is full, so that the blocks ahead
    /// stay for what frees some. Nothing before take_over_checkpoints().
    void require_room();
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

    struct KeepRoom {
        Metadata& metadata;
        ~KeepRoom() { (void)metadata.keep_room(); }
    };
    /// Takes blocks where few are left; 0, or the errno of a disk that has no more.
    int keep_room() const noexcept;
    void checkpoint(bool is_full);

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
    std::string log_path_ = database_.path() + "-wal";
    std::atomic<bool> keeps_room_ = false;
};

}  // namespace berth::store
