// SPDX-License-Identifier: Apache-2.0
#include "sys/tar_format.h"

#include <fmt/format.h>

#include <cstring>

#include "base/error.h"
#include "base/strings.h"

namespace berth::sys::tar {

namespace {

[[noreturn]] void fail(std::string_view what) {
    throw Error(ErrorKind::invalid_argument, std::string(what));
}

std::optional<int64_t> parse_base256(std::string_view field) {
    auto byte = [&](size_t i) { return static_cast<unsigned char>(field[i]); };
    bool negative = (byte(0) & 0x40) != 0;
    unsigned char inverted = negative ? 0xff : 0;
    uint64_t value = 0;
    for (size_t i = 0; i < field.size(); ++i) {
        unsigned char digit = byte(i) ^ inverted;
        if (i == 0) digit &= 0x7f;
        if (value >> 55) return std::nullopt;
        value = value << 8 | digit;
    }
    auto result = static_cast<int64_t>(value);
    return negative ? ~result : result;
}

std::string_view trim_padding(std::string_view text) {
    constexpr std::string_view kPadding(" \0", 2);
    size_t begin = text.find_first_not_of(kPadding);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(kPadding) - begin + 1);
}

/// A key whose value is a name, which can't hold NUL.
bool is_name(std::string_view key) {
    return key == "path" || key == "linkpath" || key == "uname" || key == "gname" || key == "GNU.sparse.name";
}

struct Record {
    std::string_view key, value;
    size_t length;
};

Record parse_record(std::string_view data) {
    size_t blank = data.substr(0, 21).find(' ');
    if (blank == std::string_view::npos) fail("extended header without a length");
    auto length = parse_number<uint64_t>(data.substr(0, blank));
    if (!length || *length > data.size() || *length < blank + 3) fail("extended header with a wrong length");
    std::string_view record = data.substr(blank + 1, *length - blank - 1);
    if (record.back() != '\n') fail("extended header whose record does not end with a newline");
    record.remove_suffix(1);
    size_t equals = record.find('=');
    if (equals == std::string_view::npos || equals == 0) fail("extended header without a key");
    Record result{record.substr(0, equals), record.substr(equals + 1), *length};
    if (result.key.find('\0') != std::string_view::npos ||
        (is_name(result.key) && result.value.find('\0') != std::string_view::npos))
        fail("extended header with NUL in a name");
    return result;
}

/// The offset and the length of each area come as two records, in this order.
void add_sparse_record(const Record& record, PaxRecords& records, bool& has_offset) {
    auto value = parse_number<uint64_t>(record.value);
    bool is_offset = record.key == "GNU.sparse.offset";
    if (!value || is_offset == has_offset) fail("malformed map of a sparse file");
    if (is_offset)
        records.sparse.push_back({*value, 0});
    else
        records.sparse.back().length = *value;
    has_offset = is_offset;
}

}  // namespace

std::optional<int64_t> parse_numeric(std::string_view field) {
    if (static_cast<unsigned char>(field[0]) & 0x80) return parse_base256(field);
    std::string_view digits = trim_padding(field);
    if (digits.empty()) return 0;
    digits = digits.substr(0, digits.find('\0'));
    auto value = parse_number<uint64_t>(digits, 8);
    if (!value || *value > INT64_MAX) return std::nullopt;
    return static_cast<int64_t>(*value);
}

uint32_t checksum(const char* block) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(block);
    uint32_t sum = 0;
    for (size_t i = 0; i < kBlock; ++i) sum += bytes[i];
    for (size_t i = 0; i < kChecksum.size; ++i) sum -= bytes[kChecksum.offset + i];
    return sum + ' ' * kChecksum.size;
}

int32_t signed_checksum(const char* block) {
    int32_t sum = 0;
    for (size_t i = 0; i < kBlock; ++i) sum += static_cast<signed char>(block[i]);
    for (size_t i = 0; i < kChecksum.size; ++i) sum -= static_cast<signed char>(block[kChecksum.offset + i]);
    return sum + ' ' * static_cast<int32_t>(kChecksum.size);
}

bool is_zero_block(const char* block) {
    static constexpr char kZeros[kBlock] = {};
    return block[0] == 0 && std::memcmp(block, kZeros, kBlock) == 0;
}

std::optional<TarTime> parse_pax_time(std::string_view text) {
    bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    size_t point = text.find('.');
    auto seconds = parse_number<uint64_t>(text.substr(0, point));
    if (!seconds || *seconds > INT64_MAX) return std::nullopt;
    uint32_t nanoseconds = 0;
    bool more = false;
    if (point != std::string_view::npos) {
        std::string_view fraction = text.substr(point + 1);
        if (fraction.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
        for (size_t i = 0; i < 9; ++i)
            nanoseconds =
                nanoseconds * 10 + (i < fraction.size() ? static_cast<uint32_t>(fraction[i] - '0') : 0);
        more = fraction.size() > 9 && fraction.find_first_not_of('0', 9) != std::string_view::npos;
    }
    TarTime time{static_cast<int64_t>(*seconds), nanoseconds};
    if (!negative) return time;
    // Down means away from zero here.
    time.seconds = -time.seconds;
    uint32_t below = time.nanoseconds + (more ? 1 : 0);
    if (below > 0) {
        --time.seconds;
        time.nanoseconds = 1'000'000'000 - below;
    }
    return time;
}

std::string print_pax_time(TarTime time) {
    if (time.nanoseconds == 0) return fmt::format("{}", time.seconds);
    std::string_view sign = "";
    int64_t seconds = time.seconds;
    uint32_t nanoseconds = time.nanoseconds;
    if (seconds < 0) {
        sign = "-";
        seconds = -(seconds + 1);
        nanoseconds = 1'000'000'000 - nanoseconds;
    }
    std::string text = fmt::format("{}{}.{:09}", sign, seconds, nanoseconds);
    text.erase(text.find_last_not_of('0') + 1);
    return text;
}

void parse_pax(std::string_view data, PaxRecords& records) {
    bool has_offset = false;
    while (!data.empty()) {
        Record record = parse_record(data);
        data.remove_prefix(record.length);
        if (record.key == "GNU.sparse.offset" || record.key == "GNU.sparse.numbytes")
            add_sparse_record(record, records, has_offset);
        else
            records.values.insert_or_assign(std::string(record.key), std::string(record.value));
    }
    if (has_offset) fail("malformed map of a sparse file");
}

std::string print_pax(const std::map<std::string, std::string>& records) {
    std::string text;
    for (const auto& [key, value] : records) {
        // The length counts its own digits.
        size_t rest = key.size() + value.size() + 3;
        size_t length = rest + fmt::formatted_size("{}", rest);
        length = rest + fmt::formatted_size("{}", length);
        fmt::format_to(std::back_inserter(text), "{} {}={}\n", length, key, value);
    }
    return text;
}

std::vector<TarHeader::Segment> parse_sparse_map(std::string_view text, char separator) {
    std::vector<TarHeader::Segment> segments;
    bool has_offset = false;
    while (!text.empty()) {
        size_t end = text.find(separator);
        auto value = parse_number<uint64_t>(text.substr(0, end));
        if (!value) fail("malformed map of a sparse file");
        if (has_offset)
            segments.back().length = *value;
        else
            segments.push_back({*value, 0});
        has_offset = !has_offset;
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    if (has_offset) fail("malformed map of a sparse file");
    return segments;
}

void check_segments(std::vector<TarHeader::Segment>& segments, uint64_t size, uint64_t data_size) {
    uint64_t end = 0, sum = 0;
    for (const TarHeader::Segment& segment : segments) {
        if (segment.offset < end || segment.offset > size || segment.length > size - segment.offset)
            fail("areas of a sparse file overlap or lie behind its end");
        end = segment.offset + segment.length;
        sum += segment.length;
    }
    if (sum != data_size) fail("the map of a sparse file is not that of its data");
    std::erase_if(segments, [](const TarHeader::Segment& segment) { return segment.length == 0; });
}

}  // namespace berth::sys::tar
