// SPDX-License-Identifier: Apache-2.0
#include "store/archive_files.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "sys/tar_reader.h"

namespace berth::store {

namespace {

constexpr uint64_t kSmall = 256u << 10, kAllSmall = 16u << 20;
constexpr size_t kMaxEntries = 100'000, kMaxPath = 4096;
constexpr size_t kMaxText = 4u << 20;
constexpr size_t kMaxLinks = 16;
constexpr std::string_view kBlobs = "blobs/";

template <typename... Args>
Error bad_archive(fmt::format_string<Args...> format, Args&&... args) {
    return make_error(ErrorKind::invalid_argument, format, std::forward<Args>(args)...);
}

/// Without "." and empty parts; ".." is applied to `base`, which has none. Nothing where it leads out.
std::optional<std::string> resolve(std::string_view path, std::string_view base = {}) {
    if (path.starts_with('/') || path.size() > kMaxPath) return std::nullopt;
    std::vector<std::string_view> parts = base.empty() ? std::vector<std::string_view>{} : split(base, '/');
    for (std::string_view part : split(path, '/')) {
        if (part.empty() || part == ".") continue;
        if (part != "..") {
            parts.push_back(part);
        } else {
            if (parts.empty()) return std::nullopt;
            parts.pop_back();
        }
    }
    std::string result;
    for (std::string_view part : parts) {
        if (!result.empty()) result += '/';
        result += part;
    }
    return result;
}

bool has_parent_part(std::string_view path) {
    for (std::string_view part : split(path, '/'))
        if (part == "..") return true;
    return false;
}

/// The digest that the path of a layout's blob tells.
std::optional<Digest> blob_digest(std::string_view path) {
    if (!path.starts_with(kBlobs)) return std::nullopt;
    path.remove_prefix(kBlobs.size());
    size_t slash = path.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    return Digest::try_parse(fmt::format("{}:{}", path.substr(0, slash), path.substr(slash + 1)));
}

/// The digest in the names of what podman and skopeo write into a docker-archive: <hex>.tar, <hex>.json.
std::optional<Digest> named_digest(std::string_view path) {
    size_t dot = path.find('.');
    if (dot != 64) return std::nullopt;
    return Digest::try_parse(fmt::format("sha256:{}", path.substr(0, dot)));
}

class EntrySource : public sys::ByteSource {
  public:
    explicit EntrySource(sys::TarReader& reader) : reader_(reader) {}
    size_t read(std::span<std::byte> into) override { return reader_.read(into); }

  private:
    sys::TarReader& reader_;
};

/// Nobody resumes an archive's file: what is not committed goes.
class DiscardGuard {
  public:
    explicit DiscardGuard(Ingest& ingest) : ingest_(ingest) {}
    DiscardGuard(const DiscardGuard&) = delete;
    DiscardGuard& operator=(const DiscardGuard&) = delete;
    ~DiscardGuard() {
        if (done_) return;
        try {
            ingest_.discard();
        } catch (...) {  // NOLINT(bugprone-empty-catch): a later collection takes it
        }
    }
    void done() { done_ = true; }

  private:
    Ingest& ingest_;
    bool done_ = false;
};

}  // namespace

void ArchiveFiles::read(sys::ByteSource& from) {
    sys::TarReader reader(from);
    size_t count = 0;
    while (const sys::TarHeader* header = reader.next()) {
        if (++count > kMaxEntries) throw bad_archive("more than {} entries", kMaxEntries);
        with_context([&] { return fmt::format("entry {}", quote(header->path)); },
                     [&] {
                         std::optional<std::string> path = resolve(header->path);
                         if (!path || has_parent_part(header->path))
                             throw bad_archive("the path leads out of the archive");
                         switch (header->type) {
                             case sys::TarType::directory: return;
                             case sys::TarType::file: {
                                 if (header->is_sparse)
                                     throw bad_archive("sparse files are not accepted in an image archive");
                                 std::string name = *path;
                                 uint64_t size = header->size;
                                 EntrySource data(reader);
                                 return add_file(name, size, data);
                             }
                             case sys::TarType::hard_link:
                             case sys::TarType::symlink: {
                                 size_t slash = path->rfind('/');
                                 bool relative =
                                     header->type == sys::TarType::symlink && slash != std::string::npos;
                                 auto target = resolve(header->link_target,
                                                       relative ? path->substr(0, slash) : std::string{});
                                 if (!target)
                                     throw bad_archive("the link to {} leads out of the archive",
                                                       quote(header->link_target));
                                 return insert(*path, Entry{.file = {}, .link = *target});
                             }
                             case sys::TarType::char_device:
                             case sys::TarType::block_device:
                             case sys::TarType::fifo:
                                 throw bad_archive("devices are not accepted in an image archive");
                         }
                     });
    }
    reader.drain();
}

void ArchiveFiles::add_file(const std::string& path, uint64_t size, sys::ByteSource& data) {
    std::optional<Digest> said = blob_digest(path);
    bool is_small =
        size <= kSmall && small_bytes_ + size <= kAllSmall && (!said || said->algorithm() == "sha256");
    File file;
    if (is_small) {
        sys::TextSink text;
        sys::copy(data, text);
        file = {Digest::of(text.text), text.text.size()};
        if (small_.emplace(file.digest, std::move(text.text)).second) small_bytes_ += size;
    } else {
        std::optional<Digest> known = said ? said : named_digest(path);
        std::optional<BlobInfo> present;
        if (known) present = store_.blobs().protect(lease_, *known);
        if (present) {
            Hasher hasher(known->algorithm());
            std::vector<std::byte> buffer(1u << 20);
            for (size_t n; (n = data.read(buffer)) != 0; file.size += n)
                hasher.update(std::span(buffer).first(n));
            file.digest = hasher.finish();
            if (file.digest != *known)
                throw bad_archive("the content's digest is {}, not what the name says", file.digest.text());
        } else {
            file = store_blob(size, data, said ? said->algorithm() : "sha256");
        }
    }
    if (said && file.digest != *said)
        throw bad_archive("the content's digest is {}, not what the name says", file.digest.text());
    insert(path, Entry{.file = file, .link = {}});
}

ArchiveFiles::File ArchiveFiles::store_blob(uint64_t size, sys::ByteSource& data,
                                            std::string_view algorithm) {
    std::unique_ptr<Ingest> ingest =
        store_.blobs().ingest(lease_, "load-" + random_hex(16), size, std::chrono::seconds(1));
    if (!ingest) throw Error(ErrorKind::internal, "a new ingest is locked");
    DiscardGuard guard(*ingest);
    Hasher hasher(algorithm);
    std::vector<std::byte> buffer(1u << 20);
    uint64_t offset = 0;
    for (size_t n; (n = data.read(buffer)) != 0; offset += n) {
        auto part = std::span(buffer).first(n);
        hasher.update(part);
        ingest->write_at(offset, part);
    }
    File file{hasher.finish(), offset};
    ingest->commit(file.digest, false);
    guard.done();
    unused_.insert(file.digest);
    return file;
}

void ArchiveFiles::insert(const std::string& path, Entry entry) {
    if (path.empty()) throw bad_archive("the path is empty");
    auto [there, is_new] = entries_.try_emplace(path, entry);
    if (!is_new && (there->second.file.digest != entry.file.digest || there->second.link != entry.link))
        throw bad_archive("the archive has two different entries of this name");
}

std::optional<ArchiveFiles::File> ArchiveFiles::find(std::string_view path) const {
    std::optional<std::string> name = resolve(path);
    for (size_t links = 0; name && links < kMaxLinks; ++links) {
        auto found = entries_.find(*name);
        if (found == entries_.end()) return std::nullopt;
        if (found->second.link.empty()) return found->second.file;
        name = found->second.link;
    }
    return std::nullopt;
}

ArchiveFiles::File ArchiveFiles::get(std::string_view path) const {
    if (std::optional<File> file = find(path)) return *file;
    throw bad_archive("{} is not in the archive", quote(path));
}

std::optional<ArchiveFiles::File> ArchiveFiles::find_blob(const Digest& digest) const {
    return find(fmt::format("{}{}/{}", kBlobs, digest.algorithm(), digest.hex()));
}

std::string ArchiveFiles::text(const File& file) const {
    if (file.size > kMaxText)
        throw bad_archive("{} is larger than {} bytes, too large for a document", file.digest.text(),
                          kMaxText);
    auto small = small_.find(file.digest);
    return small != small_.end() ? small->second : store_.blobs().read(file.digest, kMaxText);
}

void ArchiveFiles::keep(const File& file) {
    unused_.erase(file.digest);
    auto small = small_.find(file.digest);
    if (small != small_.end()) store_.blobs().put(lease_, small->second);
}

}  // namespace berth::store
