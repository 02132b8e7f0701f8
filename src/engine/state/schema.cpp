// SPDX-License-Identifier: Apache-2.0
#include "engine/state/schema.h"

#include <array>

namespace berth::engine {
namespace {

constexpr std::array<db::Migration, 2> kMigrations = {{
    {1, R"(
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE containers (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, record TEXT NOT NULL, state TEXT NOT NULL);
CREATE TABLE volumes (name TEXT PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE events (id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE log_cursors (container TEXT PRIMARY KEY, cursor TEXT NOT NULL) WITHOUT ROWID;
)"},
    {2, R"(
CREATE TABLE networks (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, record TEXT NOT NULL);
CREATE TABLE virtual_addresses (network TEXT NOT NULL, service TEXT NOT NULL, address TEXT NOT NULL,
                                PRIMARY KEY (network, service)) WITHOUT ROWID;
)"},
}};

}  // namespace

std::span<const db::Migration> migrations() {
    return kMigrations;
}

}  // namespace berth::engine
