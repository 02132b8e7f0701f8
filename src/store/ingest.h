// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <exception>
#include <mutex>
#include <string>

#include "store/blobs.h"
#include "store/lock_file.h"

namespace berth::store {

/// The folders of a blob store, and what is done with a blob's file and row together.
struct BlobFiles {
    Metadata& metadata;
    std::string root;
    UniqueFd ingest_dir, leases_dir;
    UniqueFd sha256_dir, sha512_dir;

    BlobFiles(Metadata& store, std::string folder);

    int folder_of(const Digest& digest) const;
    /// Nothing where there is no such file.
    std::optional<uint64_t> size_of(const Digest& digest) const;
    /// In a write transaction: the row, if it has its file; a row that has none is deleted.
    std::optional<BlobInfo> row(db::Database& database, const Digest& digest) const;
    void protect(db::Database& database, LeaseState& lease, const Digest& digest) const;
    /// In a write transaction: deletes file and row. The file goes first, so that a full disk can't keep it;
    /// should the commit fail, the row is dropped by whoever misses the file.
    void remove(db::Database& database, const Digest& digest) const;
};

/// Removes the ingest that `file` owns, and what is known of its ranges.
void remove_ingest(int dir, LockFile& file, const std::string& key) noexcept;

/// The ranges of a file that are there: sorted, merged.
class RangeSet {
  public:
    void add(Range range);
    const std::vector<Range>& ranges() const { return ranges_; }
    uint64_t prefix() const { return !ranges_.empty() && ranges_[0].begin == 0 ? ranges_[0].end : 0; }
    uint64_t end() const { return ranges_.empty() ? 0 : ranges_.back().end; }
    void clear() { ranges_.clear(); }

    /// The content of a `.done` file, which there is only of a file with holes: a line "berth-ingest 1", then
    /// "<begin> <end>" for each range.
    std::string print() const;
    /// Of a file of `size` bytes; what is not understood counts as nothing.
    static RangeSet parse(std::string_view text, uint64_t size);

  private:
    std::vector<Range> ranges_;
};

class FileIngest : public Ingest {
  public:
    FileIngest(BlobFiles& files, std::shared_ptr<LeaseState> lease, std::string key, LockFile file,
               std::optional<uint64_t> size);
    ~FileIngest() override;

    std::vector<Range> have() const override;
    void write_at(uint64_t offset, std::span<const std::byte> data) override;
    size_t read_prefix(uint64_t offset, std::span<std::byte> into) override;
    void set_size(uint64_t size) override;
    void fail(std::exception_ptr error) override;
    void restart() override;
    BlobInfo commit(const Digest& digest, bool verify) override;
    void discard() override;
    uint64_t prefix() const override;

  private:
    std::string path() const { return files_.root + "/ingest/" + key_; }
    void forget();
    void save_ranges();
    void expect_hole(uint64_t offset);
    void start_writing_back(uint64_t end);
    uint64_t complete_size() const;
    void verify(const Digest& digest, uint64_t size) const;
    BlobInfo publish(db::Database& database, const Digest& digest, uint64_t size);
    void take_back(const Digest& digest) noexcept;

    BlobFiles& files_;
    const std::shared_ptr<LeaseState> lease_;
    const std::string key_;
    std::optional<LockFile> file_;  // gone after commit() and discard()

    mutable std::mutex mutex_;  // guards all below
    std::condition_variable more_;
    RangeSet ranges_;
    std::optional<uint64_t> size_;
    std::exception_ptr failure_;
    bool has_ranges_file_ = false;  // without one, the whole file is there: it was written in order
    uint64_t saved_bytes_ = 0, written_bytes_ = 0;
    uint64_t written_back_ = 0;
    bool has_reader_ = false;
};

}  // namespace berth::store
