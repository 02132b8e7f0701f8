// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "store/images.h"
#include "sys/byte_stream.h"

namespace berth::store {

/// The files of an image archive, by their paths in it: small ones in memory, others as blobs of the store,
/// protected by the lease. Read once from front to end; takes memory only for small files (16 MiB) and names
/// (100,000).
class ArchiveFiles {
  public:
    struct File {
        Digest digest;
        uint64_t size = 0;
    };

    ArchiveFiles(Store& store, Lease& lease) : store_(store), lease_(lease) {}
    /// Throws invalid_argument for paths and links that lead out, other files than regular ones, a file that
    /// is there twice with different contents, and for a blobs/<algorithm>/<hex> that has another digest.
    void read(sys::ByteSource& from);

    /// Links (old archives share layers by them) are followed.
    std::optional<File> find(std::string_view path) const;
    /// As find; throws invalid_argument.
    File get(std::string_view path) const;
    /// A blob of the layout.
    std::optional<File> find_blob(const Digest& digest) const;
    /// At most 4 MiB.
    std::string text(const File& file) const;
    /// Makes a file a blob of the store, which larger ones are already.
    void keep(const File& file);
    /// Whether blobs were brought that nobody asked to keep: of other platforms, say.
    bool has_unused() const { return !unused_.empty(); }

  private:
    struct Entry {
        File file;
        std::string link;  ///< path that it is another name of; then `file` is not set
    };
    void add_file(const std::string& path, uint64_t size, sys::ByteSource& data);
    File store_blob(uint64_t size, sys::ByteSource& data, std::string_view algorithm);
    void insert(const std::string& path, Entry entry);

    Store& store_;
    Lease& lease_;
    std::map<std::string, Entry, std::less<>> entries_;
    std::map<Digest, std::string> small_;
    std::set<Digest> unused_;
    uint64_t small_bytes_ = 0;
};

}  // namespace berth::store
