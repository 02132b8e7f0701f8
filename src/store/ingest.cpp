// SPDX-License-Identifier: Apache-2.0
#include "store/ingest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "store/leases.h"
#include "store/space.h"
#include "sys/file.h"

namespace berth::store {

namespace {

constexpr uint64_t kSaveStep = 8u << 20;
constexpr uint64_t kWriteBackStep = 8u << 20;
constexpr std::string_view kRangesHead = "berth-ingest 1";

}  // namespace

/// Emptied first: without its ranges, which go before its name, it would count as whole.
void remove_ingest(int dir, LockFile& file, const std::string& key) noexcept {
    (void)!::ftruncate(file.fd(), 0);
    ::unlinkat(dir, (key + ".done").c_str(), 0);
    file.remove(dir, key);
}

void RangeSet::add(Range range) {
    if (range.begin >= range.end) return;
    auto first = std::lower_bound(ranges_.begin(), ranges_.end(), range.begin,
                                  [](const Range& one, uint64_t begin) { return one.end < begin; });
    auto last = first;
    for (; last != ranges_.end() && last->begin <= range.end; ++last) {
        range.begin = std::min(range.begin, last->begin);
        range.end = std::max(range.end, last->end);
    }
    if (first == last) {
        ranges_.insert(first, range);
    } else {
        *first = range;
        ranges_.erase(first + 1, last);
    }
}

std::string RangeSet::print() const {
    std::string text(kRangesHead);
    text += '\n';
    for (const Range& range : ranges_) text += fmt::format("{} {}\n", range.begin, range.end);
    return text;
}

RangeSet RangeSet::parse(std::string_view text, uint64_t size) {
    RangeSet result;
    std::vector<std::string_view> lines = split(text, '\n');
    if (lines.empty() || lines[0] != kRangesHead) return result;
    for (size_t i = 1; i < lines.size(); ++i) {
        std::vector<std::string_view> fields = split_fields(lines[i]);
        if (fields.size() != 2) continue;
        auto begin = parse_number<uint64_t>(fields[0]), end = parse_number<uint64_t>(fields[1]);
        if (begin && end) result.add({*begin, std::min(*end, size)});
    }
    return result;
}

FileIngest::FileIngest(BlobFiles& files, std::shared_ptr<LeaseState> lease, std::string key, LockFile file,
                       std::optional<uint64_t> size)
    : files_(files), lease_(std::move(lease)), key_(std::move(key)), file_(std::move(file)), size_(size) {
    struct stat status{};
    sys::check(::fstat(file_->fd(), &status), [&] { return "fstat " + path(); });
    auto present = static_cast<uint64_t>(status.st_size);
    if (present > 0) {
        if (auto text = sys::try_read_file_at(files_.ingest_dir.get(), key_ + ".done")) {
            ranges_ = RangeSet::parse(*text, present);
            has_ranges_file_ = true;
        } else {
            ranges_.add({0, present});
        }
    }
    // A ranges file of an earlier ingest with this key must not speak for this one, nor one of another size.
    if (ranges_.ranges().empty() || (size_ && present > *size_)) forget();
}

FileIngest::~FileIngest() {
    if (!file_) return;
    try {
        if (ranges_.ranges().empty())
            discard();
        else if (has_ranges_file_)
            save_ranges();
    } catch (const std::exception&) {
        // The bytes are brought again.
    }
}

void FileIngest::forget() {
    ranges_.clear();
    saved_bytes_ = written_bytes_ = written_back_ = 0;
    has_ranges_file_ = false;
    sys::check(::ftruncate(file_->fd(), 0), [&] { return "truncate " + path(); });
    ::unlinkat(files_.ingest_dir.get(), (key_ + ".done").c_str(), 0);
}

void FileIngest::save_ranges() {
    sys::write_file_atomic_at(files_.ingest_dir.get(), key_ + ".done", ranges_.print());
    saved_bytes_ = written_bytes_;
    has_ranges_file_ = true;
}

/// Before a write that leaves a hole: from now on the file's size does not say what is there.
void FileIngest::expect_hole(uint64_t offset) {
    if (!has_ranges_file_ && offset > ranges_.prefix()) advise_on_space(files_.root, [&] { save_ranges(); });
}

std::vector<Range> FileIngest::have() const {
    std::lock_guard lock(mutex_);
    return ranges_.ranges();
}

uint64_t FileIngest::prefix() const {
    std::lock_guard lock(mutex_);
    return ranges_.prefix();
}

void FileIngest::write_at(uint64_t offset, std::span<const std::byte> data) {
    {
        std::lock_guard lock(mutex_);
        if (size_ && (offset > *size_ || data.size() > *size_ - offset))
            throw make_error(ErrorKind::invalid_argument, "more data than the {} bytes that were announced",
                             *size_);
        expect_hole(offset);
    }
    uint64_t at = offset;
    for (std::span<const std::byte> rest = data; !rest.empty();) {
        ssize_t done = sys::retry(
            [&] { return ::pwrite(file_->fd(), rest.data(), rest.size(), static_cast<off_t>(at)); });
        if (done < 0) throw with_space_advice(errno_error(errno, "write " + path()), files_.root);
        rest = rest.subspan(static_cast<size_t>(done));
        at += static_cast<uint64_t>(done);
    }
    std::unique_lock lock(mutex_);
    ranges_.add({offset, at});
    written_bytes_ += data.size();
    // What is not in it is brought again; a full disk must not fail the write that went well.
    if (has_ranges_file_ && written_bytes_ - saved_bytes_ >= kSaveStep) {
        try {
            save_ranges();
        } catch (const Error&) {
            saved_bytes_ = written_bytes_;
        }
    }
    more_.notify_all();
    if (!has_reader_ && written_bytes_ - written_back_ >= kWriteBackStep) {
        written_back_ = written_bytes_;
        lock.unlock();
        start_writing_back(0);
    }
}

/// Hands what is dirty to the disk early (0: all of the file), so that the sync at the end is short. It may
/// block, so that a reader's thread does it where there is one: writers are mostly on the network's.
void FileIngest::start_writing_back(uint64_t end) {
    ::sync_file_range(file_->fd(), 0, static_cast<off64_t>(end), SYNC_FILE_RANGE_WRITE);
}

size_t FileIngest::read_prefix(uint64_t offset, std::span<std::byte> into) {
    uint64_t available = 0;
    bool write_back = false;
    {
        std::unique_lock lock(mutex_);
        has_reader_ = true;
        more_.wait(lock,
                   [&] { return failure_ || ranges_.prefix() > offset || (size_ && offset >= *size_); });
        if (failure_) std::rethrow_exception(failure_);
        available = ranges_.prefix() > offset ? ranges_.prefix() - offset : 0;
        if (offset >= written_back_ + kWriteBackStep) {
            written_back_ = offset;
            write_back = true;
        }
    }
    if (write_back) start_writing_back(offset);
    if (available == 0) return 0;
    size_t wanted = std::min<uint64_t>(available, into.size());
    ssize_t done =
        sys::retry([&] { return ::pread(file_->fd(), into.data(), wanted, static_cast<off_t>(offset)); });
    sys::check(done, [&] { return "read " + path(); });
    // The ranges of a resumed file said more than it holds.
    if (done == 0) throw make_error(ErrorKind::unavailable, "{} is shorter than its ranges", path());
    return static_cast<size_t>(done);
}

void FileIngest::set_size(uint64_t size) {
    std::lock_guard lock(mutex_);
    if (ranges_.end() > size)
        throw make_error(ErrorKind::invalid_argument, "{} bytes are there of a blob of {}", ranges_.end(),
                         size);
    size_ = size;
    more_.notify_all();
}

void FileIngest::fail(std::exception_ptr error) {
    std::lock_guard lock(mutex_);
    failure_ = std::move(error);
    more_.notify_all();
}

void FileIngest::restart() {
    std::lock_guard lock(mutex_);
    failure_ = nullptr;
    forget();
}

uint64_t FileIngest::complete_size() const {
    std::lock_guard lock(mutex_);
    uint64_t size = size_.value_or(ranges_.end());
    if (ranges_.prefix() != size || ranges_.end() != size)
        throw make_error(ErrorKind::invalid_argument, "only {} of {} bytes are there", ranges_.prefix(),
                         size);
    return size;
}

void FileIngest::verify(const Digest& digest, uint64_t size) const {
    Hasher hasher(digest.algorithm());
    std::vector<std::byte> buffer(256 << 10);
    for (uint64_t offset = 0; offset < size;) {
        ssize_t done = sys::retry(
            [&] { return ::pread(file_->fd(), buffer.data(), buffer.size(), static_cast<off_t>(offset)); });
        sys::check(done, [&] { return "read " + path(); });
        if (done == 0) break;
        hasher.update(std::span(buffer).first(static_cast<size_t>(done)));
        offset += static_cast<uint64_t>(done);
    }
    if (Digest found = hasher.finish(); found != digest)
        throw make_error(ErrorKind::invalid_argument, "content has the digest {}, not {}", found.text(),
                         digest.text());
}

BlobInfo FileIngest::commit(const Digest& digest, bool verify_content) {
    uint64_t size = complete_size();
    if (verify_content) verify(digest, size);
    // Nothing to sync where the blob is here already.
    if (files_.size_of(digest) == size) {
        auto present = files_.metadata.write_relaxed([&](db::Database& database) {
            std::optional<BlobInfo> info = files_.row(database, digest);
            if (info) files_.protect(database, *lease_, digest);
            return info;
        });
        if (present) {
            discard();
            return *present;
        }
    }
    if (sys::retry([&] { return ::fdatasync(file_->fd()); }) < 0) {
        Error error = errno_error(errno, "sync " + path());
        // The kernel may forget what it could not write, and tells so once only.
        restart();
        throw with_space_advice(error, files_.root);
    }
    BlobInfo info = [&] {
        try {
            return files_.metadata.write(
                [&](db::Database& database) { return publish(database, digest, size); });
        } catch (...) {
            take_back(digest);
            throw;
        }
    }();
    ::unlinkat(files_.ingest_dir.get(), (key_ + ".done").c_str(), 0);
    file_.reset();
    return info;
}

/// Renames and syncs within the transaction: a collector, which looks at rows and files in one of its own,
/// sees both or neither.
BlobInfo FileIngest::publish(db::Database& database, const Digest& digest, uint64_t size) {
    if (std::optional<BlobInfo> present = files_.row(database, digest)) {
        files_.protect(database, *lease_, digest);
        ::unlinkat(files_.ingest_dir.get(), key_.c_str(), 0);
        return *present;
    }
    std::string name(digest.hex());
    int folder = files_.folder_of(digest);
    sys::check(::renameat(files_.ingest_dir.get(), key_.c_str(), folder, name.c_str()),
               [&] { return fmt::format("rename {} to {}", path(), digest.text()); });
    sys::check(::fsync(folder), [&] { return "sync " + files_.root + "/blobs"; });
    BlobInfo info{.digest = digest, .size = size, .created_ns = now_ns()};
    database.run("INSERT INTO blobs(digest, size, created_ns) VALUES (?, ?, ?)", digest.text(), size,
                 info.created_ns);
    files_.protect(database, *lease_, digest);
    return info;
}

/// After a publication that failed (a full disk has no room for the row): gets the file back, so that it can
/// be published later. What stays without a row is deleted by the next collection.
void FileIngest::take_back(const Digest& digest) noexcept {
    try {
        std::string name(digest.hex());
        int folder = files_.folder_of(digest);
        files_.metadata.write_relaxed([&](db::Database&) {
            // By now the same blob may have been published by somebody else.
            struct stat own{}, published{};
            if (::fstat(file_->fd(), &own) == 0 &&
                ::fstatat(folder, name.c_str(), &published, AT_SYMLINK_NOFOLLOW) == 0 &&
                own.st_ino == published.st_ino)
                ::renameat2(folder, name.c_str(), files_.ingest_dir.get(), key_.c_str(), RENAME_NOREPLACE);
        });
    } catch (const std::exception& error) {
        log::debug("{} stays as {}: {}", path(), digest.text(), error.what());
    }
}

void FileIngest::discard() {
    if (!file_) return;
    remove_ingest(files_.ingest_dir.get(), *file_, key_);
    file_.reset();
}

}  // namespace berth::store
