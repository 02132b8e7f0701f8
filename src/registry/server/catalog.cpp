// SPDX-License-Identifier: Apache-2.0
#include "registry/server/catalog.h"

#include <algorithm>

#include "base/strings.h"
#include "registry/server/schema.h"
#include "store/space.h"

namespace berth::registry::server {

namespace {

db::Database open_database(const std::string& root) {
    return db::Database(root + "/registry.db", db::Sync::full, migrations());
}

/// The repository's row; 0 where there is none.
int64_t repository_id(db::Database& database, std::string_view name) {
    db::Statement row = database.prepare("SELECT id FROM repositories WHERE name = ?1").with(name);
    if (!row.step()) return 0;
    int64_t id = row.integer(0);
    row.reset();
    return id;
}

int64_t make_repository(db::Database& database, std::string_view name) {
    if (int64_t id = repository_id(database, name)) return id;
    database.run("INSERT INTO repositories (name, pushed_ns) VALUES (?1, ?2)", name, now_ns());
    return database.last_insert_id();
}

void note_push(db::Database& database, int64_t repository) {
    database.run("UPDATE repositories SET pushed_ns = ?2 WHERE id = ?1", repository, now_ns());
}

void link(db::Database& database, int64_t repository, const Digest& digest, uint64_t size) {
    database.run(
        "INSERT INTO repo_blobs (repository, digest, size, last_used_ns) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT (repository, digest) DO UPDATE SET last_used_ns = excluded.last_used_ns",
        repository, digest.text(), size, now_ns());
}

bool is_known(db::Database& database, int64_t repository, const Manifest::Reference& reference) {
    db::Statement row =
        reference.is_manifest
            ? database.prepare("SELECT 1 FROM manifests WHERE repository = ?1 AND digest = ?2")
            : database.prepare("SELECT 1 FROM repo_blobs WHERE repository = ?1 AND digest = ?2");
    bool found = row.with(repository, reference.digest.text()).step();
    row.reset();
    return found;
}

void record(db::Database& database, int64_t repository, const Manifest& manifest) {
    database.run(
        "INSERT INTO manifests (repository, digest, media_type, size, artifact_type, subject, annotations,"
        " created_ns, last_used_ns) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)"
        " ON CONFLICT (repository, digest) DO UPDATE SET media_type = excluded.media_type,"
        " last_used_ns = excluded.last_used_ns",
        repository, manifest.digest.text(), manifest.media_type, manifest.size, manifest.artifact_type,
        manifest.subject ? std::optional(manifest.subject->text()) : std::nullopt, manifest.annotations,
        now_ns());
    for (const Manifest::Reference& reference : manifest.references)
        database.run(
            "INSERT OR IGNORE INTO manifest_references (repository, manifest, digest, is_manifest)"
            " VALUES (?1, ?2, ?3, ?4)",
            repository, manifest.digest.text(), reference.digest.text(), reference.is_manifest);
}

void point_tag(db::Database& database, int64_t repository, std::string_view tag, const Digest& digest) {
    database.run(
        "INSERT INTO tags (repository, name, digest, updated_ns) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT (repository, name) DO UPDATE SET digest = excluded.digest,"
        " updated_ns = excluded.updated_ns",
        repository, tag, digest.text(), now_ns());
}

/// One more than asked for tells whether there are more. SQLite takes -1 for no limit.
int64_t sql_limit(const Page& page) {
    if (!page.limit) return -1;
    return static_cast<int64_t>(std::min<uint64_t>(*page.limit, 1'000'000)) + 1;
}

Listing listing(db::Statement& rows, const Page& page) {
    Listing list;
    while (rows.step()) {
        if (page.limit && list.names.size() == *page.limit) {
            list.more = true;
            break;
        }
        list.names.push_back(rows.text(0));
    }
    return list;
}

/// Runs `work`, which notes that something was used. A full disk is no reason not to serve it; nobody notes
/// it then, and the result is `otherwise`.
template <typename T>
T note_use(T otherwise, auto&& work) {
    try {
        return work();
    } catch (const Error& error) {
        if (!store::is_out_of_space(error)) throw;
        return otherwise;
    }
}

}  // namespace

const std::string_view Catalog::kReferenced =
    "SELECT digest FROM repo_blobs UNION ALL SELECT digest FROM manifests"
    " UNION ALL SELECT digest FROM uploads WHERE digest IS NOT NULL";

Catalog::Catalog(const std::string& root, std::chrono::seconds grace)
    : grace_(grace),
      // A link is written anew when it is used and this old, so that being found does not mean a write each
      // time.
      granularity_(grace / 8),
      write_(open_database(root)),
      read_(open_database(root)) {}

std::optional<uint64_t> Catalog::find_blob(std::string_view repository, const Digest& digest) {
    struct Found {
        int64_t repository, size, last_used_ns;
    };
    auto found = read_.read([&](db::Database& database) -> std::optional<Found> {
        db::Statement row =
            database
                .prepare(
                    "SELECT r.id, b.size, b.last_used_ns FROM repositories r JOIN repo_blobs b"
                    " ON b.repository = r.id WHERE r.name = ?1 AND b.digest = ?2")
                .with(repository, digest.text());
        if (!row.step()) return std::nullopt;
        Found link{row.integer(0), row.integer(1), row.integer(2)};
        row.reset();
        return link;
    });
    if (!found) return std::nullopt;
    int64_t now = now_ns();
    if (now - found->last_used_ns > granularity_.count()) {
        // The collector may have come in between: then there is no row to change.
        auto touch = [&](db::Database& database) {
            return database.run(
                       "UPDATE repo_blobs SET last_used_ns = ?3 WHERE repository = ?1 AND digest = ?2",
                       found->repository, digest.text(), now) > 0;
        };
        bool kept = note_use(true, [&] { return write_.write_relaxed(touch); });
        if (!kept) return std::nullopt;
    }
    return static_cast<uint64_t>(found->size);
}

void Catalog::link_blob(std::string_view repository, const Digest& digest, uint64_t size,
                        std::string_view upload) {
    write_.write([&](db::Database& database) {
        int64_t id = make_repository(database, repository);
        link(database, id, digest, size);
        note_push(database, id);
        if (!upload.empty()) database.run("DELETE FROM uploads WHERE id = ?1", upload);
    });
}

std::optional<uint64_t> Catalog::mount_blob(std::string_view from, std::string_view repository,
                                            const Digest& digest) {
    if (!find_blob(from, digest)) return std::nullopt;
    return write_.write([&](db::Database& database) -> std::optional<uint64_t> {
        db::Statement row = database
                                .prepare(
                                    "SELECT size FROM repo_blobs WHERE digest = ?2 AND repository ="
                                    " (SELECT id FROM repositories WHERE name = ?1)")
                                .with(from, digest.text());
        if (!row.step()) return std::nullopt;
        auto size = static_cast<uint64_t>(row.integer(0));
        row.reset();
        int64_t id = make_repository(database, repository);
        link(database, id, digest, size);
        note_push(database, id);
        return size;
    });
}

bool Catalog::unlink_blob(std::string_view repository, const Digest& digest) {
    return write_.write([&](db::Database& database) {
        return database.run(
                   "DELETE FROM repo_blobs WHERE digest = ?2 AND repository ="
                   " (SELECT id FROM repositories WHERE name = ?1)",
                   repository, digest.text()) > 0;
    });
}

std::vector<Digest> Catalog::linked() const {
    return read_.read([](db::Database& database) {
        std::vector<Digest> digests;
        db::Statement rows =
            database.prepare("SELECT digest FROM repo_blobs UNION SELECT digest FROM manifests").with();
        while (rows.step()) digests.push_back(Digest::parse(rows.text(0)));
        return digests;
    });
}

uint64_t Catalog::forget(const Digest& digest) {
    return write_.write([&](db::Database& database) {
        // Unless it has come again meanwhile.
        constexpr const char* kLost =
            " WHERE digest = ?1 AND NOT EXISTS (SELECT 1 FROM blobs WHERE digest = ?1)";
        static const std::string kLinks = std::string("DELETE FROM repo_blobs") + kLost;
        static const std::string kManifests = std::string("DELETE FROM manifests") + kLost;
        int64_t gone = database.run(kLinks, digest.text());
        gone += database.run(kManifests, digest.text());
        return static_cast<uint64_t>(gone);
    });
}

void Catalog::begin_upload(std::string_view id, std::string_view repository) {
    write_.write_relaxed([&](db::Database& database) {
        int64_t owner = make_repository(database, repository);
        database.run("INSERT INTO uploads (id, repository, started_ns, updated_ns) VALUES (?1, ?2, ?3, ?3)",
                     id, owner, now_ns());
        note_push(database, owner);
    });
}

std::optional<UploadInfo> Catalog::find_upload(std::string_view id) const {
    return read_.read([&](db::Database& database) -> std::optional<UploadInfo> {
        db::Statement row =
            database
                .prepare(
                    "SELECT r.name FROM uploads u JOIN repositories r ON r.id = u.repository WHERE u.id = ?1")
                .with(id);
        if (!row.step()) return std::nullopt;
        UploadInfo info{std::string(id), row.text(0)};
        row.reset();
        return info;
    });
}

void Catalog::announce_upload(std::string_view id, const Digest& digest) {
    write_.write_relaxed([&](db::Database& database) {
        database.run("UPDATE uploads SET digest = ?2, updated_ns = ?3 WHERE id = ?1", id, digest.text(),
                     now_ns());
    });
}

bool Catalog::is_announced(std::string_view id, const Digest& digest) const {
    return read_.read([&](db::Database& database) {
        return database.prepare("SELECT 1 FROM uploads WHERE id = ?1 AND digest = ?2")
            .with(id, digest.text())
            .step();
    });
}

void Catalog::touch_upload(std::string_view id) {
    write_.write_relaxed([&](db::Database& database) {
        database.run("UPDATE uploads SET updated_ns = ?2 WHERE id = ?1", id, now_ns());
        database.run(
            "UPDATE repositories SET pushed_ns = ?2 WHERE id ="
            " (SELECT repository FROM uploads WHERE id = ?1)",
            id, now_ns());
    });
}

bool Catalog::end_upload(std::string_view id) {
    return write_.write(
        [&](db::Database& database) { return database.run("DELETE FROM uploads WHERE id = ?1", id) > 0; });
}

std::vector<Manifest::Reference> Catalog::put_manifest(std::string_view repository, const Manifest& manifest,
                                                       std::string_view tag, bool check_references) {
    return write_.write([&](db::Database& database) {
        std::vector<Manifest::Reference> missing;
        int64_t id = repository_id(database, repository);
        for (const Manifest::Reference& reference : manifest.references)
            if (check_references && reference.required && (id == 0 || !is_known(database, id, reference)))
                missing.push_back(reference);
        if (!missing.empty()) return missing;
        id = make_repository(database, repository);
        record(database, id, manifest);
        if (!tag.empty()) point_tag(database, id, tag, manifest.digest);
        note_push(database, id);
        return missing;
    });
}

std::optional<ManifestInfo> Catalog::used(std::string_view repository, std::optional<ManifestInfo> found,
                                          int64_t last_used_ns) {
    if (!found || now_ns() - last_used_ns <= granularity_.count()) return found;
    auto touch = [&](db::Database& database) {
        return database.run(
            "UPDATE manifests SET last_used_ns = ?3 WHERE digest = ?2 AND repository ="
            " (SELECT id FROM repositories WHERE name = ?1)",
            repository, found->digest.text(), now_ns());
    };
    note_use(int64_t{0}, [&] { return write_.write_relaxed(touch); });
    return found;
}

std::optional<ManifestInfo> Catalog::find_manifest(std::string_view repository, const Digest& digest) {
    int64_t last_used_ns = 0;
    auto found = read_.read([&](db::Database& database) -> std::optional<ManifestInfo> {
        db::Statement row = database
                                .prepare(
                                    "SELECT m.media_type, m.size, m.last_used_ns FROM repositories r"
                                    " JOIN manifests m ON m.repository = r.id"
                                    " WHERE r.name = ?1 AND m.digest = ?2")
                                .with(repository, digest.text());
        if (!row.step()) return std::nullopt;
        ManifestInfo info{digest, row.text(0), static_cast<uint64_t>(row.integer(1))};
        last_used_ns = row.integer(2);
        row.reset();
        return info;
    });
    return used(repository, std::move(found), last_used_ns);
}

std::optional<ManifestInfo> Catalog::find_tag(std::string_view repository, std::string_view tag) {
    int64_t last_used_ns = 0;
    auto found = read_.read([&](db::Database& database) -> std::optional<ManifestInfo> {
        db::Statement row =
            database
                .prepare(
                    "SELECT m.digest, m.media_type, m.size, m.last_used_ns FROM repositories r"
                    " JOIN tags t ON t.repository = r.id"
                    " JOIN manifests m ON m.repository = r.id AND m.digest = t.digest"
                    " WHERE r.name = ?1 AND t.name = ?2")
                .with(repository, tag);
        if (!row.step()) return std::nullopt;
        ManifestInfo info{Digest::parse(row.text(0)), row.text(1), static_cast<uint64_t>(row.integer(2))};
        last_used_ns = row.integer(3);
        row.reset();
        return info;
    });
    return used(repository, std::move(found), last_used_ns);
}

void Catalog::put_tag(std::string_view repository, std::string_view tag, const Digest& digest) {
    write_.write([&](db::Database& database) {
        // Only to a manifest that is there: the row's foreign key says so as well.
        if (int64_t id = repository_id(database, repository);
            id != 0 && is_known(database, id, {digest, true, true}))
            point_tag(database, id, tag, digest);
    });
}

bool Catalog::delete_manifest(std::string_view repository, const Digest& digest) {
    return write_.write([&](db::Database& database) {
        return database.run(
                   "DELETE FROM manifests WHERE digest = ?2 AND repository ="
                   " (SELECT id FROM repositories WHERE name = ?1)",
                   repository, digest.text()) > 0;
    });
}

bool Catalog::delete_tag(std::string_view repository, std::string_view tag) {
    return write_.write([&](db::Database& database) {
        return database.run(
                   "DELETE FROM tags WHERE name = ?2 AND repository ="
                   " (SELECT id FROM repositories WHERE name = ?1)",
                   repository, tag) > 0;
    });
}

std::vector<Referrer> Catalog::referrers(std::string_view repository, const Digest& subject,
                                         std::string_view artifact_type) const {
    return read_.read([&](db::Database& database) {
        std::vector<Referrer> found;
        db::Statement rows =
            database
                .prepare(
                    "SELECT m.digest, m.media_type, m.size, m.artifact_type, m.annotations"
                    " FROM repositories r JOIN manifests m ON m.repository = r.id"
                    " WHERE r.name = ?1 AND m.subject = ?2 AND (?3 = '' OR m.artifact_type = ?3)"
                    " ORDER BY m.created_ns, m.digest")
                .with(repository, subject.text(), artifact_type);
        while (rows.step()) {
            Referrer referrer;
            referrer.manifest = {Digest::parse(rows.text(0)), rows.text(1),
                                 static_cast<uint64_t>(rows.integer(2))};
            referrer.artifact_type = rows.text(3);
            referrer.annotations = rows.text(4);
            found.push_back(std::move(referrer));
        }
        return found;
    });
}

std::optional<Listing> Catalog::tags(std::string_view repository, const Page& page) const {
    return read_.read([&](db::Database& database) -> std::optional<Listing> {
        int64_t id = repository_id(database, repository);
        if (id == 0) return std::nullopt;
        db::Statement any = database
                                .prepare(
                                    "SELECT EXISTS (SELECT 1 FROM manifests WHERE repository = ?1) OR"
                                    " EXISTS (SELECT 1 FROM repo_blobs WHERE repository = ?1)")
                                .with(id);
        bool known = any.step() && any.integer(0) != 0;
        any.reset();
        if (!known) return std::nullopt;
        db::Statement rows =
            database
                .prepare("SELECT name FROM tags WHERE repository = ?1 AND name > ?2 ORDER BY name LIMIT ?3")
                .with(id, page.last.value_or(""), sql_limit(page));
        return listing(rows, page);
    });
}

Listing Catalog::repositories(const Page& page) const {
    return read_.read([&](db::Database& database) {
        db::Statement rows = database
                                 .prepare(
                                     "SELECT name FROM repositories WHERE name > ?1 AND EXISTS"
                                     " (SELECT 1 FROM manifests WHERE repository = repositories.id)"
                                     " ORDER BY name LIMIT ?2")
                                 .with(page.last.value_or(""), sql_limit(page));
        return listing(rows, page);
    });
}

Catalog::Totals Catalog::totals() const {
    return read_.read([](db::Database& database) {
        db::Statement row = database
                                .prepare(
                                    "SELECT (SELECT count(*) FROM repositories), count(*),"
                                    " coalesce(sum(size), 0) FROM blobs")
                                .with();
        row.step();
        auto number = [&](int column) { return static_cast<uint64_t>(row.integer(column)); };
        return Totals{number(0), number(1), number(2)};
    });
}

}  // namespace berth::registry::server
