// SPDX-License-Identifier: Apache-2.0
#include "store/schema.h"

#include <array>

#include "store/blobs.h"

namespace berth::store {

namespace {

constexpr std::string_view kLayerTables = R"sql(
CREATE TABLE layers (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    chain_id   TEXT NOT NULL,
    diff_id    TEXT NOT NULL,
    parent     TEXT,
    state      TEXT NOT NULL CHECK (state IN ('building', 'ready', 'removing')),
    size       INTEGER NOT NULL DEFAULT 0,
    synced     INTEGER NOT NULL DEFAULT 0,
    boot_id    TEXT NOT NULL,
    is_opaque  INTEGER NOT NULL DEFAULT 0,
    disk_bytes INTEGER
);
CREATE UNIQUE INDEX layers_ready ON layers(chain_id) WHERE state = 'ready';
CREATE INDEX layers_by_parent ON layers(parent);
CREATE TABLE lease_layers (
    lease    TEXT NOT NULL REFERENCES leases(id) ON DELETE CASCADE,
    chain_id TEXT NOT NULL,
    PRIMARY KEY (chain_id, lease)
) WITHOUT ROWID;
CREATE INDEX lease_layers_by_lease ON lease_layers(lease);
CREATE TABLE snapshots (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT UNIQUE,
    parent      TEXT,
    state       TEXT NOT NULL CHECK (state IN ('active', 'removing')),
    created_ns  INTEGER NOT NULL,
    quota_bytes INTEGER NOT NULL,
    is_volatile INTEGER NOT NULL
);
)sql";

constexpr std::string_view kImageTables = R"sql(
CREATE TABLE images (
    id           TEXT PRIMARY KEY,
    kind         TEXT NOT NULL CHECK (kind IN ('image', 'artifact')),
    config       TEXT NOT NULL,
    os           TEXT NOT NULL,
    architecture TEXT NOT NULL,
    variant      TEXT NOT NULL,
    os_version   TEXT NOT NULL,
    created_ns   INTEGER NOT NULL,
    added_ns     INTEGER NOT NULL,
    manifest     TEXT,
    parent       TEXT,
    is_unpacked  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX images_by_parent ON images(parent);
CREATE TABLE image_layers (
    image      TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
    position   INTEGER NOT NULL,
    diff_id    TEXT NOT NULL,
    chain_id   TEXT,
    blob       TEXT NOT NULL,
    media_type TEXT NOT NULL,
    blob_size  INTEGER NOT NULL,
    PRIMARY KEY (image, position)
) WITHOUT ROWID;
CREATE INDEX image_layers_by_chain ON image_layers(chain_id);
CREATE INDEX image_layers_by_blob ON image_layers(blob);
CREATE TABLE image_blobs (
    digest TEXT NOT NULL,
    image  TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
    role   TEXT NOT NULL CHECK (role IN ('config', 'manifest', 'index', 'layer')),
    PRIMARY KEY (digest, image)
) WITHOUT ROWID;
CREATE INDEX image_blobs_by_image ON image_blobs(image);
CREATE TABLE tags (
    repository TEXT NOT NULL,
    tag        TEXT NOT NULL,
    image      TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
    PRIMARY KEY (repository, tag)
) WITHOUT ROWID;
CREATE INDEX tags_by_image ON tags(image);
CREATE TABLE repo_digests (
    repository TEXT NOT NULL,
    digest     TEXT NOT NULL,
    image      TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
    PRIMARY KEY (repository, digest)
) WITHOUT ROWID;
CREATE INDEX repo_digests_by_image ON repo_digests(image);
CREATE TABLE layer_blobs (
    diff_id         TEXT NOT NULL,
    blob            TEXT NOT NULL,
    media_type      TEXT NOT NULL,
    size            INTEGER NOT NULL,
    is_reproducible INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (diff_id, blob)
) WITHOUT ROWID;
CREATE INDEX layer_blobs_by_blob ON layer_blobs(blob);
CREATE TABLE blob_sources (
    blob       TEXT NOT NULL,
    repository TEXT NOT NULL,
    seen_ns    INTEGER NOT NULL,
    PRIMARY KEY (blob, repository)
) WITHOUT ROWID;
)sql";

constexpr std::array kMigrations = {
    db::Migration{.version = 1, .sql = kBlobTables},
    db::Migration{.version = 2, .sql = kLayerTables},
    db::Migration{.version = 3, .sql = kImageTables},
};

}  // namespace

std::span<const db::Migration> migrations() {
    return kMigrations;
}

}  // namespace berth::store
