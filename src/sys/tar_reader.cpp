// SPDX-License-Identifier: Apache-2.0
#include "sys/tar_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/strings.h"
#include "sys/tar_format.h"

namespace berth::sys {

using namespace tar;

namespace {

constexpr size_t kBuffer = 256 * 1024;
constexpr size_t kNameInMessage = 256;

}  // namespace

struct TarReader::State {
    explicit State(ByteSource& from)
        : source(from), buffer(std::make_unique_for_overwrite<std::byte[]>(kBuffer)) {}

    ByteSource& source;
    std::unique_ptr<std::byte[]> buffer;
    size_t begin = 0, end = 0;
    bool source_ended = false;
    bool finished = false;

    uint64_t number = 0;    ///< of the present entry, from 1
    uint64_t left = 0;      ///< of its data in the archive
    uint64_t padding = 0;   ///< that follows
    bool has_name = false;  ///< header.path is the present entry's
    TarHeader header;

    PaxRecords globals, extended;
    std::optional<std::string> long_name, long_link;

    [[noreturn]] void fail(std::string_view what) const {
        if (!has_name) throw make_error(ErrorKind::invalid_argument, "tar entry {}: {}", number, what);
        std::string_view path = header.path;
        throw make_error(ErrorKind::invalid_argument, "tar entry {} ({}): {}", number,
                         quote(path.substr(0, kNameInMessage)), what);
    }

    /// Runs what reads the bytes of a header; its Errors get the entry's name.
    template <typename Body>
    auto in_entry(Body&& body) const {
        try {
            return body();
        } catch (const Error& error) {
            fail(error.what());
        }
    }

    bool fill();
    const char* block();
    void skip(uint64_t count);
    std::span<const std::byte> view(uint64_t limit);
    std::string small_data(uint64_t size);
    const char* entry_block();

    uint64_t number_field(const char* at, Field where, std::string_view name, uint64_t max) const;
    void check_header(const char* at) const;
    bool take_meta(const char* at, char type);
    void take_globals(std::string_view data);
    const TarHeader* next();

    void take_names(const char* at);
    void take_gnu_fields(const char* at);
    void take_type(char type, bool had_slash);
    void take_numbers(const char* at);
    void take_record(std::string_view key, std::string_view value);
    void take_records();
    void take_entry(const char* at);
    uint64_t pax_number(std::string_view key, std::string_view value, uint64_t max) const;
    TarTime pax_time(std::string_view key, std::string_view value) const;

    void take_sparse(const char* at, char type);
    void old_gnu_sparse(const char* at);
    bool pax_sparse();
    void sparse_map_in_data();
    void finish_sparse(uint64_t size);
};

/// More bytes behind those that are buffered; false at the source's end.
bool TarReader::State::fill() {
    if (source_ended) return false;
    if (begin == end) {
        begin = end = 0;
    } else if (end == kBuffer) {
        std::memmove(buffer.get(), buffer.get() + begin, end - begin);
        end -= begin;
        begin = 0;
    }
    size_t got = source.read({buffer.get() + end, kBuffer - end});
    end += got;
    source_ended = got == 0;
    return got != 0;
}

/// One block, valid until the next call; null if the source ends before it.
const char* TarReader::State::block() {
    while (end - begin < kBlock) {
        if (fill()) continue;
        if (begin == end) return nullptr;
        fail("the archive ends in the middle of a header");
    }
    const char* at = reinterpret_cast<const char*>(buffer.get() + begin);
    begin += kBlock;
    return at;
}

std::span<const std::byte> TarReader::State::view(uint64_t limit) {
    if (begin == end && !fill()) fail("the archive ends in the middle of an entry");
    size_t count = static_cast<size_t>(std::min<uint64_t>(limit, end - begin));
    std::span<const std::byte> result(buffer.get() + begin, count);
    begin += count;
    return result;
}

void TarReader::State::skip(uint64_t count) {
    while (count > 0) count -= view(count).size();
}

/// The data of an entry that is a part of a header.
std::string TarReader::State::small_data(uint64_t size) {
    if (size > kMaxHeader) fail("the header is larger than 1 MiB");
    std::string data;
    data.reserve(size);
    while (data.size() < size) {
        std::span<const std::byte> part = view(size - data.size());
        data.append(reinterpret_cast<const char*>(part.data()), part.size());
    }
    skip(-size % kBlock);
    return data;
}

/// A block of the present entry's data that says more about it.
const char* TarReader::State::entry_block() {
    const char* at = block();
    if (at == nullptr) fail("the archive ends in the middle of an entry");
    return at;
}

uint64_t TarReader::State::number_field(const char* at, Field where, std::string_view name,
                                        uint64_t max) const {
    std::optional<int64_t> value = parse_numeric(field(at, where));
    if (!value) fail(fmt::format("malformed {}", name));
    if (*value < 0 || static_cast<uint64_t>(*value) > max)
        fail(fmt::format("{} {} is out of range", name, *value));
    return static_cast<uint64_t>(*value);
}

void TarReader::State::check_header(const char* at) const {
    std::optional<int64_t> wanted = parse_numeric(field(at, kChecksum));
    if (!wanted || (*wanted != checksum(at) && *wanted != signed_checksum(at)))
        fail("not a tar header (its checksum is wrong)");
}

/// Whether the header was of those that say more about the next ones, or that nobody needs.
bool TarReader::State::take_meta(const char* at, char type) {
    if (std::strchr("xXgLK", type) != nullptr && type != 0) {
        std::string data = small_data(number_field(at, kSize, "size", INT64_MAX));
        switch (type) {
            case 'x':
            case 'X':
                extended.clear();
                in_entry([&] { parse_pax(data, extended); });
                break;
            case 'g': take_globals(data); break;
            case 'L': long_name = data.substr(0, data.find('\0')); break;
            default: long_link = data.substr(0, data.find('\0')); break;
        }
        return true;
    }
    if (type == 'M' || type == 'N') fail("a part of an archive of several volumes");
    if (type >= 'A' && type <= 'Z' && type != 'S' && type != 'D') {
        uint64_t size = number_field(at, kSize, "size", INT64_MAX);
        skip(size);
        skip(-size % kBlock);
        extended.clear();
        long_name.reset();
        long_link.reset();
        return true;
    }
    return false;
}

void TarReader::State::take_globals(std::string_view data) {
    in_entry([&] { parse_pax(data, globals); });
    if (globals.values.contains("path") || globals.values.contains("linkpath") ||
        globals.values.contains("size") || !globals.sparse.empty())
        fail("a global header that gives all entries one name or size");
    size_t bytes = 0;
    for (const auto& [key, value] : globals.values) bytes += key.size() + value.size();
    if (bytes > kMaxHeader) fail("the global headers are larger than 1 MiB");
}

const TarHeader* TarReader::State::next() {
    if (finished) return nullptr;
    skip(std::exchange(left, 0));
    skip(std::exchange(padding, 0));
    has_name = false;
    ++number;
    while (true) {
        const char* at = block();
        if (at == nullptr || is_zero_block(at)) {
            if (!extended.values.empty() || long_name || long_link)
                fail("the archive ends in the middle of an entry");
            const char* second = at == nullptr ? nullptr : block();
            if (second != nullptr && !is_zero_block(second))
                fail("a zero block in the middle of the archive");
            finished = true;
            return nullptr;
        }
        check_header(at);
        char type = at[kType.offset];
        // Meta data is read into the buffer that `at` points to.
        if (take_meta(at, type)) continue;
        take_entry(at);
        extended.clear();
        long_name.reset();
        long_link.reset();
        return &header;
    }
}

void TarReader::State::take_names(const char* at) {
    std::string_view name = text_field(at, kName);
    std::string_view prefix;
    if (field(at, kMagic).starts_with(kMagicUstar))
        prefix =
            text_field(at, field(at, kStarTrailer) == std::string_view("tar\0", 4) ? kStarPrefix : kPrefix);
    header.path.clear();
    if (!prefix.empty()) {
        header.path = prefix;
        header.path += '/';
    }
    header.path += name;
    header.link_target = text_field(at, kLinkName);
    header.uname.clear();
    header.gname.clear();
    if (field(at, kMagic).starts_with("ustar")) {
        header.uname = text_field(at, kUname);
        header.gname = text_field(at, kGname);
    }
    has_name = true;
}

/// GNU tar puts times where ustar has the prefix. Go before 1.9 wrote a prefix there all the same, in
/// archives that it marked as GNU's (golang.org/issue/12594): old images have them.
void TarReader::State::take_gnu_fields(const char* at) {
    if (field(at, kMagic) != kMagicGnu || at[kPrefix.offset] == 0) return;
    std::optional<int64_t> atime = parse_numeric(field(at, kGnuAtime));
    std::optional<int64_t> ctime = parse_numeric(field(at, kGnuCtime));
    if (atime && ctime) {
        header.atime = TarTime{*atime};
        if (at[kGnuCtime.offset] != 0) header.ctime = TarTime{*ctime};
    } else {
        header.path.insert(0, fmt::format("{}/", text_field(at, kPrefix)));
    }
}

void TarReader::State::take_type(char type, bool had_slash) {
    switch (type) {
        case 0:
        case '0':
        case '7':
        case 'S':
            header.type = TarType::file;
            if (!had_slash) return;
            // So v7 wrote directories.
            if (left != 0) fail("a file whose name ends with a slash");
            header.type = TarType::directory;
            return;
        case '1': header.type = TarType::hard_link; break;
        case '2': header.type = TarType::symlink; break;
        case '3': header.type = TarType::char_device; break;
        case '4': header.type = TarType::block_device; break;
        case '5': header.type = TarType::directory; break;
        case '6': header.type = TarType::fifo; break;
        case 'D': header.type = TarType::directory; return;  // the data lists its files
        default: fail(fmt::format("unknown type {}", quote({&type, 1})));
    }
    // Whatever the size says, these have no data.
    left = 0;
}

void TarReader::State::take_numbers(const char* at) {
    std::optional<int64_t> mode = parse_numeric(field(at, kMode));
    std::optional<int64_t> mtime = parse_numeric(field(at, kMtime));
    if (!mode) fail("malformed mode");
    if (!mtime) fail("malformed mtime");
    header.mode = static_cast<uint32_t>(*mode) & 07777;
    header.mtime = {*mtime, 0};
    header.atime.reset();
    header.ctime.reset();
    header.dev_major = header.dev_minor = 0;
    left = number_field(at, kSize, "size", INT64_MAX);
    // Ids that don't fit are given by records instead, which may come with garbage in the fields.
    if (!extended.values.contains("uid"))
        header.uid = static_cast<uint32_t>(number_field(at, kUid, "uid", UINT32_MAX - 1));
    if (!extended.values.contains("gid"))
        header.gid = static_cast<uint32_t>(number_field(at, kGid, "gid", UINT32_MAX - 1));
}

uint64_t TarReader::State::pax_number(std::string_view key, std::string_view value, uint64_t max) const {
    auto number_of = parse_number<uint64_t>(value);
    if (!number_of || *number_of > max)
        fail(fmt::format("{} {} is out of range", key, quote(value.substr(0, 32))));
    return *number_of;
}

TarTime TarReader::State::pax_time(std::string_view key, std::string_view value) const {
    std::optional<TarTime> time = parse_pax_time(value);
    if (!time) fail(fmt::format("malformed {}", key));
    return *time;
}

void TarReader::State::take_record(std::string_view key, std::string_view value) {
    constexpr std::string_view kXattr = "SCHILY.xattr.";
    if (key.starts_with(kXattr)) {
        header.xattrs.insert_or_assign(std::string(key.substr(kXattr.size())), std::string(value));
        return;
    }
    // An empty value takes a global record back: the header's own counts.
    if (value.empty()) return;
    if (key == "path") header.path = value;
    if (key == "linkpath") header.link_target = value;
    if (key == "uname") header.uname = value;
    if (key == "gname") header.gname = value;
    if (key == "size") left = pax_number(key, value, INT64_MAX);
    if (key == "uid") header.uid = static_cast<uint32_t>(pax_number(key, value, UINT32_MAX - 1));
    if (key == "gid") header.gid = static_cast<uint32_t>(pax_number(key, value, UINT32_MAX - 1));
    if (key == "mtime") header.mtime = pax_time(key, value);
    if (key == "atime") header.atime = pax_time(key, value);
    if (key == "ctime") header.ctime = pax_time(key, value);
}

void TarReader::State::take_records() {
    for (const auto& [key, value] : globals.values)
        if (!extended.values.contains(key)) take_record(key, value);
    for (const auto& [key, value] : extended.values) take_record(key, value);
    if (long_name) header.path = *long_name;
    if (long_link) header.link_target = *long_link;
}

void TarReader::State::take_entry(const char* at) {
    // `at` points into the buffer: nothing may be read before the last use of it.
    char type = at[kType.offset];
    header.xattrs.clear();
    header.sparse.clear();
    header.is_sparse = false;
    take_names(at);
    take_numbers(at);
    take_gnu_fields(at);
    if (type == '3' || type == '4') {
        header.dev_major = static_cast<uint32_t>(number_field(at, kDevMajor, "device number", 0xfff));
        header.dev_minor = static_cast<uint32_t>(number_field(at, kDevMinor, "device number", 0xfffff));
    }
    take_records();
    if (auto name = extended.values.find("GNU.sparse.name"); name != extended.values.end())
        header.path = name->second;

    bool had_slash = header.path.ends_with('/');
    if (had_slash) header.path.pop_back();
    take_type(type, had_slash);
    padding = -left % kBlock;
    header.size = left;
    if (header.type == TarType::file) take_sparse(at, type);
    if (header.type == TarType::directory) header.size = 0;
}

void TarReader::State::take_sparse(const char* at, char type) {
    if (type == 'S')
        old_gnu_sparse(at);
    else if (!pax_sparse())
        return;
    header.is_sparse = true;
}

void TarReader::State::finish_sparse(uint64_t size) {
    header.size = size;
    in_entry([&] { check_segments(header.sparse, size, left); });
}

/// Four areas are in the header, the others in blocks behind it that its size doesn't count.
void TarReader::State::old_gnu_sparse(const char* at) {
    uint64_t size = number_field(at, kGnuRealSize, "size", INT64_MAX);
    auto take_areas = [&](const char* areas, size_t count) {
        for (size_t i = 0; i < count && areas[i * 24] != 0; ++i) {
            uint64_t offset = number_field(areas, {i * 24, 12}, "sparse offset", INT64_MAX);
            uint64_t length = number_field(areas, {i * 24 + 12, 12}, "sparse length", INT64_MAX);
            header.sparse.push_back({offset, length});
        }
    };
    take_areas(at + kGnuSparse, kGnuSparseCount);
    bool more = at[kGnuIsExtended] != 0;
    for (uint64_t read = 0; more; read += kBlock) {
        if (read >= kMaxHeader) fail("the map of the sparse file is larger than 1 MiB");
        at = entry_block();
        take_areas(at, kGnuExtensionCount);
        more = at[kGnuExtensionIsExtended] != 0;
    }
    finish_sparse(size);
}

/// GNU's sparse files in PAX archives (GNU tar manual, "Storing Sparse Files"); false for other files.
bool TarReader::State::pax_sparse() {
    auto value_of = [&](std::string_view key) -> std::optional<std::string_view> {
        auto found = extended.values.find(key);
        if (found == extended.values.end()) return std::nullopt;
        return found->second;
    };
    std::optional<std::string_view> major = value_of("GNU.sparse.major"), map = value_of("GNU.sparse.map"),
                                    size = value_of("GNU.sparse.realsize");
    if (!size) size = value_of("GNU.sparse.size");
    if (!major && !map && extended.sparse.empty() && !value_of("GNU.sparse.numblocks")) return false;
    if (!size) fail("a sparse file without a size");
    uint64_t whole = pax_number("GNU.sparse.realsize", *size, INT64_MAX);
    if (major && *major != "0") {
        if (*major != "1" || value_of("GNU.sparse.minor") != "0") fail("a sparse file of an unknown version");
        sparse_map_in_data();
    } else if (map) {
        header.sparse = in_entry([&] { return parse_sparse_map(*map, ','); });
    } else {
        header.sparse = std::move(extended.sparse);
    }
    finish_sparse(whole);
    return true;
}

/// Version 1.0: the number of areas, then their offsets and lengths, a number a line, in the first blocks of
/// the data.
void TarReader::State::sparse_map_in_data() {
    std::string text;
    std::optional<uint64_t> lines_wanted;
    uint64_t lines = 0;
    size_t first = 0;
    while (!lines_wanted || lines < *lines_wanted) {
        if (left < kBlock) fail("malformed map of a sparse file");
        if (text.size() >= kMaxHeader) fail("the map of the sparse file is larger than 1 MiB");
        std::string_view part(entry_block(), kBlock);
        left -= kBlock;
        text += part;
        lines += static_cast<uint64_t>(std::ranges::count(part, '\n'));
        if (!lines_wanted && lines > 0) {
            first = text.find('\n') + 1;
            auto areas = parse_number<uint32_t>(std::string_view(text).substr(0, first - 1));
            if (!areas) fail("malformed map of a sparse file");
            lines_wanted = 1 + 2 * uint64_t{*areas};
        }
    }
    size_t map_end = first;
    for (uint64_t line = 1; line < *lines_wanted; ++line) map_end = text.find('\n', map_end) + 1;
    header.sparse = in_entry(
        [&] { return parse_sparse_map(std::string_view(text).substr(first, map_end - first), '\n'); });
}

TarReader::TarReader(ByteSource& source) : state_(std::make_unique<State>(source)) {}
TarReader::TarReader(TarReader&&) noexcept = default;
TarReader::~TarReader() = default;

const TarHeader* TarReader::next() {
    return state_->next();
}

std::span<const std::byte> TarReader::read_view(size_t limit) {
    if (state_->left == 0 || limit == 0) return {};
    std::span<const std::byte> data = state_->view(std::min<uint64_t>(limit, state_->left));
    state_->left -= data.size();
    return data;
}

size_t TarReader::read(std::span<std::byte> into) {
    std::span<const std::byte> data = read_view(into.size());
    if (!data.empty()) std::memcpy(into.data(), data.data(), data.size());
    return data.size();
}

void TarReader::drain() {
    state_->begin = state_->end = 0;
    while (state_->fill()) state_->begin = state_->end = 0;
}

}  // namespace berth::sys
