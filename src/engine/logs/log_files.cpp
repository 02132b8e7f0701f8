// SPDX-License-Identifier: Apache-2.0
#include "engine/logs/log_files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/strings.h"
#include "engine/logs/record.h"
#include "shim/log_order.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

constexpr int kMostAttempts = 50;

struct LogFolder {
    UniqueFd fd;
    std::string name;
};

std::optional<LogFolder> open_folder(const std::string& path) {
    size_t slash = path.find_last_of('/');
    LogFolder folder;
    folder.name = path.substr(slash == std::string::npos ? 0 : slash + 1);
    std::string parent = slash == std::string::npos ? "." : path.substr(0, std::max<size_t>(slash, 1));
    std::optional<UniqueFd> fd = sys::try_open_at(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY);
    if (!fd) return std::nullopt;
    folder.fd = std::move(*fd);
    return folder;
}

std::string name_of(const LogFolder& folder, unsigned index, bool compressed) {
    if (index == 0) return folder.name;
    return fmt::format("{}.{}{}", folder.name, index, compressed ? ".gz" : "");
}

/// The indices of the rotated files that are there, lowest first.
std::vector<unsigned> list_indices(const LogFolder& folder) {
    std::vector<unsigned> indices;
    UniqueFd listing = sys::open_at(folder.fd.get(), ".", O_RDONLY | O_DIRECTORY);
    std::string prefix = folder.name + ".";
    for (const std::string& name : sys::list_dir(listing.get())) {
        if (!name.starts_with(prefix)) continue;
        std::string_view number = std::string_view(name).substr(prefix.size());
        if (number.ends_with(".gz")) number.remove_suffix(3);
        std::optional<unsigned> index = parse_number<unsigned>(number);
        if (index && *index != 0) indices.push_back(*index);
    }
    std::sort(indices.begin(), indices.end());
    indices.erase(std::unique(indices.begin(), indices.end()), indices.end());
    return indices;
}

bool open_one(const LogFolder& folder, unsigned index, LogFileHandle& file) {
    for (bool compressed : {false, true}) {
        if (compressed && index == 0) break;
        std::optional<UniqueFd> fd =
            sys::try_open_at(folder.fd.get(), name_of(folder, index, compressed), O_RDONLY | O_NONBLOCK);
        if (!fd) continue;
        struct stat status{};
        sys::check(::fstat(fd->get(), &status), "read the log's file");
        if (!S_ISREG(status.st_mode)) continue;
        file.fd = std::move(*fd);
        file.device = status.st_dev;
        file.inode = status.st_ino;
        file.size = static_cast<uint64_t>(status.st_size);
        file.changed_ns = status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec;
        file.index = index;
        file.compressed = compressed;
        return true;
    }
    return false;
}

/// Newest first. A rotation that runs meanwhile moves files to indices that are still to be looked at, so
/// none is missed, but one may be opened twice, the second time perhaps compressed: still_there() tells.
std::vector<LogFileHandle> open_all(const LogFolder& folder) {
    std::vector<LogFileHandle> files;
    std::vector<unsigned> indices = list_indices(folder);
    unsigned highest = indices.empty() ? 0 : indices.back();
    indices.insert(indices.begin(), 0);
    // What rotation moves on while this looks.
    indices.push_back(highest + 1);
    for (unsigned index : indices) {
        LogFileHandle file;
        if (open_one(folder, index, file)) files.push_back(std::move(file));
    }
    return files;
}

bool still_there(const LogFolder& folder, const std::vector<LogFileHandle>& files) {
    for (const LogFileHandle& file : files) {
        struct stat status{};
        std::string name = name_of(folder, file.index, file.compressed);
        if (::fstatat(folder.fd.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0 ||
            status.st_ino != file.inode || status.st_dev != file.device)
            return false;
    }
    return true;
}

/// CRC-32 and length, as they stand at the end of a gzip file.
struct Fingerprint {
    uint32_t crc = 0;
    uint32_t size = 0;
    bool operator==(const Fingerprint&) const = default;
};

std::optional<Fingerprint> gzip_fingerprint(const LogFileHandle& file) {
    unsigned char trailer[8];
    if (file.size < sizeof trailer) return std::nullopt;
    auto at = static_cast<off_t>(file.size - sizeof trailer);
    if (::pread(file.fd.get(), trailer, sizeof trailer, at) != sizeof trailer) return std::nullopt;
    auto number = [&](size_t from) {
        return uint32_t{trailer[from]} | uint32_t{trailer[from + 1]} << 8 |
               uint32_t{trailer[from + 2]} << 16 | uint32_t{trailer[from + 3]} << 24;
    };
    return Fingerprint{number(0), number(4)};
}

Fingerprint fingerprint(const LogFileHandle& file) {
    constexpr size_t kBlock = size_t{256} * 1024;
    auto block = std::make_unique<char[]>(kBlock);
    uLong crc = ::crc32(0, nullptr, 0);
    off_t offset = 0;
    while (true) {
        ssize_t got = sys::retry([&] { return ::pread(file.fd.get(), block.get(), kBlock, offset); });
        if (got <= 0) break;
        crc = ::crc32(crc, reinterpret_cast<const Bytef*>(block.get()), static_cast<uInt>(got));
        offset += got;
    }
    return {static_cast<uint32_t>(crc), static_cast<uint32_t>(offset)};
}

}  // namespace

std::vector<LogFileHandle> open_log_files(const std::string& path) {
    std::optional<LogFolder> folder = open_folder(path);
    if (!folder) return {};
    std::vector<LogFileHandle> files;
    for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
        files = open_all(*folder);
        if (still_there(*folder, files)) break;
    }
    std::reverse(files.begin(), files.end());
    return files;
}

std::vector<LogFileHandle> files_after(std::vector<LogFileHandle> files, const LogFileHandle& last) {
    auto keep_from = [&](size_t first) {
        files.erase(files.begin(), files.begin() + static_cast<ptrdiff_t>(first));
        return std::move(files);
    };
    for (size_t i = 0; i < files.size(); ++i)
        if (files[i].same_file(last)) return keep_from(i + 1);
    // Its number may be another file's by now, but the file itself is still ours: it was compressed, or
    // removed.
    std::optional<Fingerprint> wanted;
    for (size_t i = files.size(); i-- > 0;) {
        if (!files[i].compressed) continue;
        std::optional<Fingerprint> found = gzip_fingerprint(files[i]);
        if (!wanted) wanted = fingerprint(last);
        if (found == wanted) return keep_from(i + 1);
    }
    struct stat status{};
    int64_t changed_ns = last.changed_ns;
    if (::fstat(last.fd.get(), &status) == 0)
        changed_ns = status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec;
    size_t first = 0;
    while (first < files.size() && files[first].index != 0 && files[first].changed_ns <= changed_ns) ++first;
    return keep_from(first);
}

std::optional<int64_t> compressed_last_time(int fd) {
    // RFC 1952: 10 bytes of which the fourth holds flags, then (flag 4) the length of the extra field, and
    // the field.
    std::array<unsigned char, 512> head{};
    ssize_t got = ::pread(fd, head.data(), head.size(), 0);
    constexpr unsigned char kExtraFlag = 4;
    if (got < 12 || head[0] != 0x1f || head[1] != 0x8b || (head[3] & kExtraFlag) == 0) return std::nullopt;
    size_t length = head[10] + size_t{head[11]} * 256;
    std::string_view extra(reinterpret_cast<const char*>(head.data()) + 12, static_cast<size_t>(got) - 12);
    extra = extra.substr(0, length);
    constexpr std::string_view kKey = R"("lastTime":")";
    size_t from = extra.find(kKey);
    if (from == std::string_view::npos) return std::nullopt;
    LogRecord record;
    record.time = extra.substr(from + kKey.size());
    record.time = record.time.substr(0, record.time.find('"'));
    int64_t time = RecordParser(shim::LogFormat::json_file).time_of(record);
    return time > 0 ? std::optional(time) : std::nullopt;
}

std::vector<uint64_t> log_stretches(int fd, uint64_t size) {
    std::array<uint64_t, shim::kMaxLogSteps> steps{};
    ssize_t got = ::fgetxattr(fd, shim::kLogStepsAttribute, steps.data(), sizeof steps);
    std::vector<uint64_t> borders{0};
    for (size_t i = 0; got > 0 && i < static_cast<size_t>(got) / sizeof(uint64_t); ++i)
        if (steps[i] > borders.back() && steps[i] < size) borders.push_back(steps[i]);
    borders.push_back(size);
    return borders;
}

}  // namespace berth::engine
