// SPDX-License-Identifier: Apache-2.0
#include "store/metadata.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <optional>

#include "sys/file.h"

namespace berth::store {
namespace {

/// The write-ahead log is moved into the database when it has grown to this.
constexpr off_t kCheckpointBytes = 4 << 20;
/// Blocks ahead of the log's end; taken anew when so much of them was used.
constexpr off_t kRoom = 512 << 10, kRoomUsed = 64 << 10;

}  // namespace

void Metadata::take_over_checkpoints() {
    std::lock_guard lock(mutex_);
    database_.execute("PRAGMA wal_autocheckpoint=0");
    keeps_room_ = true;
    (void)keep_room();
}

int Metadata::keep_room() const noexcept {
    if (!keeps_room_) return 0;
    struct stat status{};
    if (::stat(log_path_.c_str(), &status) != 0) return 0;
    constexpr off_t kBlock = 512;
    if (status.st_blocks * kBlock - status.st_size >= kRoom - kRoomUsed) return 0;
    UniqueFd log(::open(log_path_.c_str(), O_RDWR | O_CLOEXEC));
    if (!log) return 0;
    if (::fallocate(log.get(), FALLOC_FL_KEEP_SIZE, status.st_size, kRoom) == 0) return 0;
    // Some file systems can't do it; there is the reserve.
    return errno == ENOSPC || errno == EDQUOT ? errno : 0;
}

void Metadata::require_room() {
    if (int error = keep_room())
        throw with_space_advice(errno_error(error, "writing " + log_path_), database_.path());
}

void Metadata::sync() {
    // A relaxed transaction is in the log when it has been committed; syncing that file is all that a full
    // commit does beyond (sqlite.org/pragma.html#pragma_synchronous). No lock of the database is needed for
    // it. Where a checkpoint emptied the log meanwhile, it synced the log and the database itself.
    std::optional<UniqueFd> log = sys::try_open_at(AT_FDCWD, log_path_, O_RDWR);
    if (!log) return;
    sys::check(::fdatasync(log->get()), [&] { return "sync " + log_path_; });
    struct stat status{};
    sys::check(::fstat(log->get(), &status), [&] { return "fstat " + log_path_; });
    bool is_full = keep_room() != 0;
    if (status.st_size < kCheckpointBytes && !is_full) return;
    std::lock_guard lock(mutex_);
    checkpoint(is_full);
    (void)keep_room();
}

void Metadata::checkpoint(bool is_full) {
    struct Patience {
        db::Database& database;
        explicit Patience(db::Database& of) : database(of) {
            // Where another process reads, the next time will do.
            database.set_busy_timeout(std::chrono::milliseconds(20));
        }
        ~Patience() { database.set_busy_timeout(db::kBusyTimeout); }
    } patience(database_);
    if (!is_full) return database_.execute("PRAGMA wal_checkpoint(TRUNCATE)");
    // The log is written anew from its beginning, and keeps its blocks.
    try {
        database_.execute("PRAGMA wal_checkpoint(RESTART)");
    } catch (const Error& error) {
        if (!is_out_of_space(error)) throw;
        // The database has to grow for it. The log goes on where it is.
    }
}

}  // namespace berth::store
