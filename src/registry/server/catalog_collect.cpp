// SPDX-License-Identifier: Apache-2.0
// The catalogue's side of garbage collection. Each call is one short transaction, so pushes wait for moments
// only.
#include "base/strings.h"
#include "registry/server/catalog.h"

namespace berth::registry::server {

namespace {

/// Manifests that nothing holds any more once what pointed to them is gone: no tag, no index that lists them.
constexpr std::string_view kUnheld =
    " NOT EXISTS (SELECT 1 FROM tags t WHERE t.repository = manifests.repository AND t.digest = "
    "manifests.digest)"
    " AND NOT EXISTS (SELECT 1 FROM manifest_references f WHERE f.repository = manifests.repository"
    " AND f.digest = manifests.digest)";

/// Deletes the manifest if nothing holds it, then what it alone held: an index's entries, and referrers to
/// it.
void delete_unheld(db::Database& database, int64_t repository, const std::string& first) {
    static const std::string kDelete =
        "DELETE FROM manifests WHERE repository = ?1 AND digest = ?2 AND" + std::string(kUnheld);
    // No recursion: clients choose how long a chain of referrers is.
    std::vector<std::string> candidates{first};
    while (!candidates.empty()) {
        std::string digest = std::move(candidates.back());
        candidates.pop_back();
        std::vector<std::string> held;
        db::Statement rows = database
                                 .prepare(
                                     "SELECT digest FROM manifest_references WHERE repository = ?1 AND"
                                     " manifest = ?2 AND is_manifest UNION"
                                     " SELECT digest FROM manifests WHERE repository = ?1 AND subject = ?2")
                                 .with(repository, digest);
        while (rows.step()) held.push_back(rows.text(0));
        if (database.run(kDelete, repository, digest) == 0) continue;
        candidates.insert(candidates.end(), held.begin(), held.end());
    }
}

}  // namespace

std::vector<std::string> Catalog::expire_uploads(int64_t cutoff_ns) {
    return write_.write_relaxed([&](db::Database& database) {
        std::vector<std::string> ids;
        db::Statement rows = database.prepare("SELECT id FROM uploads WHERE updated_ns < ?1").with(cutoff_ns);
        while (rows.step()) ids.push_back(rows.text(0));
        database.run("DELETE FROM uploads WHERE updated_ns < ?1", cutoff_ns);
        return ids;
    });
}

uint64_t Catalog::expire_links(uint64_t limit) {
    // `granularity_` on top: a link that was found may carry a time that much too old.
    int64_t cutoff = now_ns() - grace_.count() - granularity_.count();
    return write_.write_relaxed([&](db::Database& database) {
        std::vector<std::pair<int64_t, std::string>> old;
        db::Statement rows =
            database
                .prepare(
                    "SELECT b.repository, b.digest FROM repo_blobs b JOIN repositories r ON r.id = "
                    "b.repository"
                    " WHERE b.last_used_ns < ?1 AND r.pushed_ns < ?1"
                    " AND NOT EXISTS (SELECT 1 FROM uploads u WHERE u.repository = b.repository)"
                    " AND NOT EXISTS (SELECT 1 FROM manifest_references f"
                    "                 WHERE f.repository = b.repository AND f.digest = b.digest) LIMIT ?2")
                .with(cutoff, limit);
        while (rows.step()) old.emplace_back(rows.integer(0), rows.text(1));
        for (const auto& [repository, digest] : old)
            database.run("DELETE FROM repo_blobs WHERE repository = ?1 AND digest = ?2", repository, digest);
        return static_cast<uint64_t>(old.size());
    });
}

uint64_t Catalog::expire_cached(int64_t cutoff_ns) {
    return write_.write_relaxed([&](db::Database& database) {
        int64_t gone = database.run("DELETE FROM manifests WHERE last_used_ns < ?1", cutoff_ns);
        gone += database.run("DELETE FROM repo_blobs WHERE last_used_ns < ?1", cutoff_ns);
        return static_cast<uint64_t>(gone);
    });
}

uint64_t Catalog::drop_empty_repositories() {
    int64_t cutoff = now_ns() - grace_.count();
    return write_.write_relaxed([&](db::Database& database) {
        return static_cast<uint64_t>(
            database.run("DELETE FROM repositories WHERE pushed_ns < ?1"
                         " AND NOT EXISTS (SELECT 1 FROM manifests WHERE repository = repositories.id)"
                         " AND NOT EXISTS (SELECT 1 FROM repo_blobs WHERE repository = repositories.id)"
                         " AND NOT EXISTS (SELECT 1 FROM uploads WHERE repository = repositories.id)",
                         cutoff));
    });
}

std::vector<TagInfo> Catalog::all_tags() const {
    return read_.read([](db::Database& database) {
        std::vector<TagInfo> tags;
        db::Statement rows = database
                                 .prepare(
                                     "SELECT r.name, t.name, t.digest, t.updated_ns FROM tags t"
                                     " JOIN repositories r ON r.id = t.repository"
                                     " ORDER BY r.name, t.updated_ns DESC, t.name DESC")
                                 .with();
        while (rows.step())
            tags.push_back({rows.text(0), rows.text(1), Digest::parse(rows.text(2)), rows.integer(3)});
        return tags;
    });
}

bool Catalog::retire_tag(const TagInfo& tag) {
    return write_.write_relaxed([&](db::Database& database) {
        db::Statement row =
            database
                .prepare(
                    "SELECT t.repository FROM tags t JOIN repositories r ON r.id = t.repository"
                    " WHERE r.name = ?1 AND t.name = ?2 AND t.digest = ?3 AND t.updated_ns = ?4")
                .with(tag.repository, tag.name, tag.digest.text(), tag.updated_ns);
        if (!row.step()) return false;  // pushed again meanwhile
        int64_t repository = row.integer(0);
        row.reset();
        database.run("DELETE FROM tags WHERE repository = ?1 AND name = ?2", repository, tag.name);
        delete_unheld(database, repository, tag.digest.text());
        return true;
    });
}

uint64_t Catalog::delete_untagged(std::string_view repository, int64_t cutoff_ns) {
    static const std::string kSelect =
        "SELECT repository, digest FROM manifests WHERE repository ="
        " (SELECT id FROM repositories WHERE name = ?1) AND last_used_ns < ?2 AND created_ns < ?2"
        " AND subject IS NULL AND" +
        std::string(kUnheld);
    return write_.write_relaxed([&](db::Database& database) {
        std::vector<std::pair<int64_t, std::string>> found;
        db::Statement rows = database.prepare(kSelect).with(repository, cutoff_ns);
        while (rows.step()) found.emplace_back(rows.integer(0), rows.text(1));
        for (const auto& [id, digest] : found) delete_unheld(database, id, digest);
        return static_cast<uint64_t>(found.size());
    });
}

}  // namespace berth::registry::server
