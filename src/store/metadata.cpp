// SPDX-License-Identifier: Apache-2.0
#include "store/metadata.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <optional>

#include "sys/file.h"

namespace berth::store {
namespace {

/// The write-ahead log is moved into the database when it has grown to this.
constexpr off_t kCheckpointBytes = 4 << 20;

}  // namespace

void Metadata::take_over_checkpoints() {
    std::lock_guard lock(mutex_);
    database_.execute("PRAGMA wal_autocheckpoint=0");
}

void Metadata::sync() {
    // A relaxed transaction is in the log when it has been committed; syncing that file is all that a full
    // commit does beyond (sqlite.org/pragma.html#pragma_synchronous). No lock of the database is needed for
    // it. Where a checkpoint emptied the log meanwhile, it synced the log and the database itself.
    std::string path = database_.path() + "-wal";
    std::optional<UniqueFd> log = sys::try_open_at(AT_FDCWD, path, O_RDWR);
    if (!log) return;
    sys::check(::fdatasync(log->get()), [&] { return "sync " + path; });
    struct stat status{};
    sys::check(::fstat(log->get(), &status), [&] { return "fstat " + path; });
    if (status.st_size < kCheckpointBytes) return;
    std::lock_guard lock(mutex_);
    // Where another process reads, the next time will do.
    database_.set_busy_timeout(std::chrono::milliseconds(20));
    database_.execute("PRAGMA wal_checkpoint(TRUNCATE)");
    database_.set_busy_timeout(db::kBusyTimeout);
}

}  // namespace berth::store
