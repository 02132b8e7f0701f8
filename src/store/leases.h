// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <string>

#include "base/unique_fd.h"
#include "store/lock_file.h"
#include "store/metadata.h"

namespace berth::store {

/// A lease: the locked file <root>/leases/<id>, and rows in `leases` and what refers to it once it protects
/// something. It is alive as long as the file is locked; whoever finds it unlocked or absent may delete its
/// rows.
struct LeaseState {
    LeaseState(Metadata& store, int leases_dir, std::string purpose);
    LeaseState(const LeaseState&) = delete;
    LeaseState& operator=(const LeaseState&) = delete;
    ~LeaseState();

    Metadata& metadata;
    UniqueFd dir;
    std::string id, what;
    std::optional<LockFile> file;
    std::atomic<bool> has_rows = false;
};

/// Before a row that refers to the lease is inserted, in the same transaction.
void insert_lease(db::Database& database, LeaseState& lease);
/// Deletes the rows (and with them, by foreign keys, the protection) of leases whose owner is gone, and their
/// files.
void end_dead_leases(db::Database& database, int leases_dir);

}  // namespace berth::store
