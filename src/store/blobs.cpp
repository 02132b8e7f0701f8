// SPDX-License-Identifier: Apache-2.0
#include "store/blobs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>
#include <thread>

#include "base/strings.h"
#include "store/ingest.h"
#include "store/leases.h"
#include "store/space.h"
#include "store/tree.h"
#include "sys/file.h"

namespace berth::store {

namespace {

constexpr int kCollectBatch = 32;

Error no_blob(const Digest& digest) {
    return make_error(ErrorKind::not_found, "blob {} not found", digest.text());
}

bool is_ingest_key(std::string_view key) {
    return !key.empty() && key.size() <= 200 && key[0] != '.' && !key.ends_with(".done") &&
           key.find('/') == std::string_view::npos && key.find('\0') == std::string_view::npos;
}

/// Ingests that nobody owns and that were not written to for `age`; the bytes.
uint64_t collect_ingests(int dir, std::chrono::seconds age) {
    uint64_t bytes = 0;
    int64_t youngest = now_ns() - std::chrono::nanoseconds(age).count();
    auto is_young = [&](const struct stat& status) {
        return status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec > youngest;
    };
    for (const std::string& name : sys::list_dir(dir)) {
        bool is_side_file = name.ends_with(".done") || name.starts_with('.');
        struct stat status{};
        if (is_side_file || ::fstatat(dir, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) continue;
        if (is_young(status)) continue;
        std::optional<LockFile> owned = LockFile::try_present(dir, name);
        // Its last owner may have written to it meanwhile.
        if (!owned || ::fstat(owned->fd(), &status) < 0 || is_young(status)) continue;
        remove_ingest(dir, *owned, name);
        bytes += static_cast<uint64_t>(status.st_blocks) * 512;
    }
    for (const std::string& name : sys::list_dir(dir)) {
        if (!name.ends_with(".done") && !name.starts_with('.')) continue;
        std::string_view key = name;
        if (key.starts_with('.'))
            key = key.substr(1, key.rfind('.') - 1);  // one that was about to be renamed
        std::string owner(key.substr(0, key.rfind(".done")));
        if (::faccessat(dir, owner.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
            ::unlinkat(dir, name.c_str(), 0);
    }
    return bytes;
}

}  // namespace

Lease::Lease(std::shared_ptr<LeaseState> state) : state_(std::move(state)) {}
Lease::Lease(Lease&&) noexcept = default;
Lease& Lease::operator=(Lease&&) noexcept = default;
Lease::~Lease() = default;
const std::string& Lease::id() const {
    return state_->id;
}

BlobFiles::BlobFiles(Metadata& store, std::string folder)
    : metadata(store),
      root(std::move(folder)),
      ingest_dir(make_folder(root + "/ingest")),
      leases_dir(make_folder(root + "/leases")),
      sha256_dir(make_folder(root + "/blobs/sha256")),
      sha512_dir(make_folder(root + "/blobs/sha512")) {}

int BlobFiles::folder_of(const Digest& digest) const {
    if (digest.empty()) throw Error(ErrorKind::invalid_argument, "a blob without a digest");
    return digest.algorithm() == "sha512" ? sha512_dir.get() : sha256_dir.get();
}

std::optional<uint64_t> BlobFiles::size_of(const Digest& digest) const {
    struct stat status{};
    std::string name(digest.hex());
    if (::fstatat(folder_of(digest), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
        return static_cast<uint64_t>(status.st_size);
    if (errno == ENOENT) return std::nullopt;
    throw errno_error(errno, "stat blob " + digest.text());
}

std::optional<BlobInfo> BlobFiles::row(db::Database& database, const Digest& digest) const {
    BlobInfo info{.digest = digest};
    {
        db::Statement found =
            database.prepare("SELECT size, created_ns FROM blobs WHERE digest = ?").with(digest.text());
        if (!found.step()) return std::nullopt;
        info.size = static_cast<uint64_t>(found.integer(0));
        info.created_ns = found.integer(1);
    }
    if (size_of(digest) == info.size) return info;
    remove(database, digest);
    return std::nullopt;
}

void BlobFiles::protect(db::Database& database, LeaseState& lease, const Digest& digest) const {
    insert_lease(database, lease);
    database.run("INSERT OR IGNORE INTO lease_blobs(lease, digest) VALUES (?, ?)", lease.id, digest.text());
}

void BlobFiles::remove(db::Database& database, const Digest& digest) const {
    std::string name(digest.hex());
    if (::unlinkat(folder_of(digest), name.c_str(), 0) < 0 && errno != ENOENT)
        throw errno_error(errno, "unlink blob " + digest.text());
    database.run("DELETE FROM blobs WHERE digest = ?", digest.text());
}

struct BlobStore::State {
    BlobFiles files;
    std::string referenced;
    UniqueFd lock;

    State(Metadata& metadata, std::string root, std::string select)
        : files(metadata, std::move(root)), referenced(std::move(select)) {}

    void open_lock(const std::function<void()>& also);
    void sweep();
    static void sweep_folder(int folder, std::string_view algorithm, std::set<std::string>& rows);
    CollectResult collect_batch();
};

/// Every process that has the store open holds a shared lock; who gets the exclusive one is alone and
/// recovers. While it does, others wait for their shared lock. The file has a byte (a hole, which a full disk
/// has room for) until the recovery is done: where its process died or failed, those who waited try again.
void BlobStore::State::open_lock(const std::function<void()>& also) {
    std::string path = files.root + "/lock";
    lock = sys::open_file(path, O_RDWR | O_CREAT, 0600);
    auto told = [&] { return "flock " + path; };
    while (flock_fd(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) throw errno_error(errno, told());
        sys::check(flock_fd(lock.get(), LOCK_SH), told);
        struct stat status{};
        sys::check(::fstat(lock.get(), &status), [&] { return "fstat " + path; });
        if (status.st_size == 0) return;
        sys::check(flock_fd(lock.get(), LOCK_UN), told);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    sys::check(::ftruncate(lock.get(), 1), [&] { return "truncate " + path; });
    files.metadata.write_relaxed(
        [&](db::Database& database) { end_dead_leases(database, files.leases_dir.get()); });
    sweep();
    if (also) also();
    sys::check(::ftruncate(lock.get(), 0), [&] { return "truncate " + path; });
    sys::check(flock_fd(lock.get(), LOCK_SH), told);
}

/// Files without row and rows without file. In a write transaction nobody is between the two steps of a
/// publication or of a collection, so what is found was left behind by a process that died, or by a commit
/// that failed.
void BlobStore::State::sweep() {
    files.metadata.write_relaxed([&](db::Database& database) {
        std::set<std::string> rows;
        {
            db::Statement all = database.prepare("SELECT digest FROM blobs");
            while (all.step()) rows.insert(all.text(0));
        }
        sweep_folder(files.sha256_dir.get(), "sha256", rows);
        sweep_folder(files.sha512_dir.get(), "sha512", rows);
        for (const std::string& digest : rows) database.run("DELETE FROM blobs WHERE digest = ?", digest);
    });
}

/// Takes those that have their file out of `rows`.
void BlobStore::State::sweep_folder(int folder, std::string_view algorithm, std::set<std::string>& rows) {
    for (const std::string& name : sys::list_dir(folder))
        if (rows.erase(fmt::format("{}:{}", algorithm, name)) == 0) ::unlinkat(folder, name.c_str(), 0);
}

CollectResult BlobStore::State::collect_batch() {
    return files.metadata.write_relaxed([&](db::Database& database) {
        std::vector<std::pair<Digest, uint64_t>> batch;
        {
            db::Statement loose =
                database
                    .prepare("SELECT digest, size FROM blobs WHERE digest NOT IN (" + referenced +
                             ") AND digest NOT IN (SELECT digest FROM lease_blobs) LIMIT ?")
                    .with(kCollectBatch);
            while (loose.step())
                batch.emplace_back(Digest::parse(loose.text(0)), static_cast<uint64_t>(loose.integer(1)));
        }
        CollectResult result;
        for (const auto& [digest, size] : batch) {
            files.remove(database, digest);
            ++result.blobs;
            result.bytes += size;
        }
        return result;
    });
}

void remove_ingests(const std::string& root) {
    if (auto dir = sys::try_open_at(AT_FDCWD, root + "/ingest", O_RDONLY | O_DIRECTORY))
        collect_ingests(dir->get(), std::chrono::seconds(0));
}

BlobStore::BlobStore(Metadata& metadata, std::string root, std::string referenced, std::function<void()> also)
    : state_(std::make_unique<State>(metadata, std::move(root), std::move(referenced))) {
    state_->open_lock(also);
}
BlobStore::~BlobStore() = default;

Lease BlobStore::lease(std::string what) {
    BlobFiles& files = state_->files;
    return advise_on_space(files.root, [&] {
        return Lease(std::make_shared<LeaseState>(files.metadata, files.leases_dir.get(), std::move(what)));
    });
}

std::optional<BlobInfo> BlobStore::find(const Digest& digest) const {
    std::optional<uint64_t> size = state_->files.size_of(digest);
    if (!size) return std::nullopt;
    return state_->files.metadata.read([&](db::Database& database) -> std::optional<BlobInfo> {
        db::Statement found =
            database.prepare("SELECT size, created_ns FROM blobs WHERE digest = ?").with(digest.text());
        if (!found.step()) return std::nullopt;
        BlobInfo info{.digest = digest,
                      .size = static_cast<uint64_t>(found.integer(0)),
                      .created_ns = found.integer(1)};
        return info;
    });
}

Blob BlobStore::open(const Digest& digest) const {
    std::optional<UniqueFd> fd =
        sys::try_open_at(state_->files.folder_of(digest), std::string(digest.hex()), O_RDONLY | O_NOFOLLOW);
    if (!fd) throw no_blob(digest);
    struct stat status{};
    sys::check(::fstat(fd->get(), &status), [&] { return "fstat blob " + digest.text(); });
    return Blob{.fd = std::move(*fd), .size = static_cast<uint64_t>(status.st_size)};
}

std::string BlobStore::read(const Digest& digest, size_t limit) const {
    Blob blob = open(digest);
    if (blob.size > limit)
        throw make_error(ErrorKind::invalid_argument, "blob {} has {} bytes, more than {}", digest.text(),
                         blob.size, limit);
    return sys::read_all(blob.fd.get(), digest.text());
}

std::optional<BlobInfo> BlobStore::protect(Lease& lease, const Digest& digest) {
    BlobFiles& files = state_->files;
    if (!files.size_of(digest)) return std::nullopt;
    return files.metadata.write_relaxed([&](db::Database& database) {
        std::optional<BlobInfo> info = files.row(database, digest);
        if (info) files.protect(database, *lease.state(), digest);
        return info;
    });
}

std::unique_ptr<Ingest> BlobStore::ingest(Lease& lease, const std::string& key, std::optional<uint64_t> size,
                                          std::chrono::milliseconds limit) {
    if (!is_ingest_key(key))
        throw make_error(ErrorKind::invalid_argument, "{} is no key for an ingest", quote(key));
    BlobFiles& files = state_->files;
    return advise_on_space(files.root, [&]() -> std::unique_ptr<Ingest> {
        std::optional<LockFile> file = LockFile::acquire(files.ingest_dir.get(), key, limit);
        if (!file) return nullptr;
        return std::make_unique<FileIngest>(files, lease.state(), key, std::move(*file), size);
    });
}

BlobInfo BlobStore::put(Lease& lease, std::string_view content) {
    Digest digest = Digest::of(content);
    if (std::optional<BlobInfo> present = protect(lease, digest)) return *present;
    // A key of its own: nobody waits for, or resumes, what is written at once.
    std::unique_ptr<Ingest> blob = ingest(lease, "put-" + random_hex(12), content.size(), LockFile::kForever);
    try {
        blob->write_at(0, sys::bytes_of(content));
        return blob->commit(digest, false);
    } catch (...) {
        blob->discard();
        throw;
    }
}

CollectResult BlobStore::collect(std::chrono::seconds ingest_age) {
    // First what needs no room in the database, which a full disk may not give.
    BlobFiles& files = state_->files;
    CollectResult total{.blobs = 0, .bytes = collect_ingests(files.ingest_dir.get(), ingest_age)};
    files.metadata.write_relaxed(
        [&](db::Database& database) { end_dead_leases(database, files.leases_dir.get()); });
    state_->sweep();
    while (true) {
        CollectResult batch = state_->collect_batch();
        total.blobs += batch.blobs;
        total.bytes += batch.bytes;
        if (batch.blobs < kCollectBatch) return total;
    }
}

bool BlobStore::drop(const Digest& digest, const std::function<bool(db::Database&)>& is_allowed) {
    BlobFiles& files = state_->files;
    return files.metadata.write_relaxed([&](db::Database& database) {
        end_dead_leases(database, files.leases_dir.get());
        bool is_held =
            database.prepare("SELECT 1 FROM lease_blobs WHERE digest = ?").with(digest.text()).step();
        if (is_held || !files.row(database, digest) || (is_allowed && !is_allowed(database))) return false;
        files.remove(database, digest);
        return true;
    });
}

bool BlobStore::has_ingest(const std::string& key) const {
    return is_ingest_key(key) &&
           ::faccessat(state_->files.ingest_dir.get(), key.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

uint64_t BlobStore::total_bytes() const {
    return state_->files.metadata.read([](db::Database& database) {
        db::Statement sum = database.prepare("SELECT coalesce(sum(size), 0) FROM blobs");
        sum.step();
        auto bytes = static_cast<uint64_t>(sum.integer(0));
        return bytes;
    });
}

std::vector<BlobInfo> BlobStore::list() const {
    return state_->files.metadata.read([](db::Database& database) {
        std::vector<BlobInfo> blobs;
        db::Statement rows =
            database.prepare("SELECT digest, size, created_ns FROM blobs ORDER BY created_ns, digest");
        while (rows.step())
            blobs.push_back({.digest = Digest::parse(rows.text(0)),
                             .size = static_cast<uint64_t>(rows.integer(1)),
                             .created_ns = rows.integer(2)});
        return blobs;
    });
}

}  // namespace berth::store
