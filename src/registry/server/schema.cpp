// SPDX-License-Identifier: Apache-2.0
#include "registry/server/schema.h"

#include <string>
#include <vector>

#include "store/blobs.h"

namespace berth::registry::server {

namespace {

// What belongs to a repository goes with it; a tag goes with its manifest. Digests have no foreign key to the
// BlobStore's rows: a link is made while a lease holds the content, and the collector asks for links before
// it deletes.
constexpr std::string_view kVersion1 = R"sql(
CREATE TABLE repositories (
    id        INTEGER PRIMARY KEY,
    name      TEXT NOT NULL UNIQUE,
    pushed_ns INTEGER NOT NULL           -- the last sign of a push
) STRICT;

CREATE TABLE repo_blobs (
    repository   INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    digest       TEXT NOT NULL,
    size         INTEGER NOT NULL,
    last_used_ns INTEGER NOT NULL,       -- when a client last pushed it or asked for it
    PRIMARY KEY (repository, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX repo_blobs_digest ON repo_blobs (digest);

CREATE TABLE manifests (
    repository    INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    digest        TEXT NOT NULL,
    media_type    TEXT NOT NULL,
    size          INTEGER NOT NULL,
    artifact_type TEXT NOT NULL,
    subject       TEXT,
    annotations   TEXT NOT NULL,         -- JSON, for the referrers API
    created_ns    INTEGER NOT NULL,
    last_used_ns  INTEGER NOT NULL,
    PRIMARY KEY (repository, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX manifests_digest ON manifests (digest);
CREATE INDEX manifests_subject ON manifests (repository, subject) WHERE subject IS NOT NULL;

CREATE TABLE manifest_references (
    repository  INTEGER NOT NULL,
    manifest    TEXT NOT NULL,
    digest      TEXT NOT NULL,
    is_manifest INTEGER NOT NULL,
    PRIMARY KEY (repository, manifest, digest),
    FOREIGN KEY (repository, manifest) REFERENCES manifests (repository, digest) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX manifest_references_digest ON manifest_references (repository, digest);

CREATE TABLE tags (
    repository INTEGER NOT NULL,
    name       TEXT NOT NULL,
    digest     TEXT NOT NULL,
    updated_ns INTEGER NOT NULL,
    PRIMARY KEY (repository, name),
    FOREIGN KEY (repository, digest) REFERENCES manifests (repository, digest) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_digest ON tags (repository, digest);

CREATE TABLE uploads (
    id         TEXT PRIMARY KEY,
    repository INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    digest     TEXT,                     -- what its bytes are, once that is verified: it is about to be published
    started_ns INTEGER NOT NULL,
    updated_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX uploads_repository ON uploads (repository);
)sql";

}  // namespace

std::span<const db::Migration> migrations() {
    static const std::string version1 = std::string(store::kBlobTables) + std::string(kVersion1);
    static const std::vector<db::Migration> all = {{1, version1}};
    return all;
}

}  // namespace berth::registry::server
