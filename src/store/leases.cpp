// SPDX-License-Identifier: Apache-2.0
#include "store/leases.h"

#include <fcntl.h>
#include <unistd.h>

#include <vector>

#include "base/log.h"
#include "base/strings.h"
#include "sys/file.h"

namespace berth::store {

LeaseState::LeaseState(Metadata& store, int leases_dir, std::string purpose)
    : metadata(store),
      dir(sys::open_at(leases_dir, ".", O_RDONLY | O_DIRECTORY)),
      id(random_hex(12)),
      what(std::move(purpose)),
      file(LockFile::acquire(dir.get(), id, LockFile::kForever)) {}

LeaseState::~LeaseState() {
    if (has_rows) {
        try {
            metadata.write_relaxed(
                [&](db::Database& database) { database.run("DELETE FROM leases WHERE id = ?", id); });
        } catch (const std::exception& error) {
            // Its file goes now, so that the next collection takes the rows.
            log::debug("lease {} ({}): {}", id, what, error.what());
        }
    }
    if (file) file->remove(dir.get(), id);
}

void insert_lease(db::Database& database, LeaseState& lease) {
    lease.has_rows = true;
    database.run("INSERT OR IGNORE INTO leases(id, what, created_ns) VALUES (?, ?, ?)", lease.id, lease.what,
                 now_ns());
}

void end_dead_leases(db::Database& database, int leases_dir) {
    std::vector<std::string> ids;
    {
        db::Statement rows = database.prepare("SELECT id FROM leases");
        while (rows.step()) ids.push_back(rows.text(0));
    }
    auto is_dead = [&](const std::string& id) {
        bool absent = false;
        auto lock = LockFile::try_present(leases_dir, id, &absent);
        if (lock) lock->remove(leases_dir, id);
        return absent || lock.has_value();
    };
    for (const std::string& id : ids)
        if (is_dead(id)) database.run("DELETE FROM leases WHERE id = ?", id);
    // Files whose owner died before it protected anything.
    for (const std::string& id : sys::list_dir(leases_dir)) is_dead(id);
}

}  // namespace berth::store
