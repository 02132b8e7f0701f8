// SPDX-License-Identifier: Apache-2.0
#include "engine/logs/record.h"

#include <bit>
#include <cstring>
#include <optional>

#include "base/json.h"
#include "shim/log_local.h"
#include "spec/timestamp.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace berth::engine {

namespace {

constexpr std::string_view kStart = R"({"log":")";
constexpr std::string_view kTimeKey = R"(,"time":")";
constexpr std::string_view kAttrsKey = R"(,"attrs":)";
constexpr std::string_view kStdout = R"(","stream":"stdout")";
constexpr std::string_view kStderr = R"(","stream":"stderr")";
static_assert(kStdout.size() == kStderr.size());

constexpr size_t kShortestTime = std::string_view("2024-03-01T12:00:00Z").size();
constexpr size_t kLongestTime = std::string_view("2024-03-01T12:00:00.123456789+01:00").size();
constexpr size_t kUsualTime = std::string_view("2024-03-01T12:00:00.123456789Z").size();

/// Where `,"time":"` begins in a record that ends with a time and `"}`; npos if it doesn't.
size_t find_time(std::string_view line) {
    std::string_view before = line.substr(0, line.size() - 2);
    auto key_before = [&](size_t length) {
        if (before.size() < length + kTimeKey.size()) return false;
        return before.substr(before.size() - length - kTimeKey.size(), kTimeKey.size()) == kTimeKey;
    };
    // Nearly all times have 9 or 8 digits behind the point.
    for (size_t length = kUsualTime; length >= kShortestTime; --length)
        if (key_before(length)) return before.size() - length - kTimeKey.size();
    for (size_t length = kUsualTime + 1; length <= kLongestTime; ++length)
        if (key_before(length)) return before.size() - length - kTimeKey.size();
    return std::string_view::npos;
}

/// Takes `","stream":"…"` off the end of `head`.
bool take_stream(std::string_view& head, shim::Stream& stream) {
    if (head.ends_with(kStdout))
        stream = shim::Stream::out;
    else if (head.ends_with(kStderr))
        stream = shim::Stream::err;
    else
        return false;
    head.remove_suffix(kStdout.size());
    return true;
}

/// The length of the string that `text` is the inside of, up to its closing quote.
size_t string_length(std::string_view text) {
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '"') return i;
        if (text[i] == '\\') ++i;
    }
    return std::string_view::npos;
}

std::optional<unsigned> hex4(std::string_view text) {
    if (text.size() < 4) return std::nullopt;
    unsigned value = 0;
    for (char c : text.substr(0, 4)) {
        unsigned digit = c >= '0' && c <= '9'   ? static_cast<unsigned>(c - '0')
                         : c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? static_cast<unsigned>(c - 'A' + 10)
                                                : 16;
        if (digit == 16) return std::nullopt;
        value = value * 16 + digit;
    }
    return value;
}

char* put_utf8(char* out, unsigned code) {
    if (code < 0x80) {
        *out++ = static_cast<char>(code);
    } else if (code < 0x800) {
        *out++ = static_cast<char>(0xc0 | (code >> 6));
        *out++ = static_cast<char>(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *out++ = static_cast<char>(0xe0 | (code >> 12));
        *out++ = static_cast<char>(0x80 | ((code >> 6) & 63));
        *out++ = static_cast<char>(0x80 | (code & 63));
    } else {
        *out++ = static_cast<char>(0xf0 | (code >> 18));
        *out++ = static_cast<char>(0x80 | ((code >> 12) & 63));
        *out++ = static_cast<char>(0x80 | ((code >> 6) & 63));
        *out++ = static_cast<char>(0x80 | (code & 63));
    }
    return out;
}

/// `text` begins behind "\u". Returns how many bytes of it the character took, 0 if it isn't one.
size_t unescape_unicode(char*& out, std::string_view text) {
    std::optional<unsigned> code = hex4(text);
    if (!code) return 0;
    size_t used = 4;
    if (*code >= 0xd800 && *code < 0xe000) {
        std::optional<unsigned> low;
        if (*code < 0xdc00 && text.substr(4).starts_with("\\u")) low = hex4(text.substr(6));
        if (low && *low >= 0xdc00 && *low < 0xe000) {
            code = 0x10000 + ((*code - 0xd800) << 10) + (*low - 0xdc00);
            used = 10;
        } else {
            code = 0xfffd;
        }
    }
    out = put_utf8(out, *code);
    return used;
}

/// `text` begins with a backslash. Returns how many bytes of it were used, at least 1.
size_t unescape_one(char*& out, std::string_view text) {
    if (text.size() > 1) {
        switch (text[1]) {
            case 'n': *out++ = '\n'; return 2;
            case '"':
            case '\\':
            case '/': *out++ = text[1]; return 2;
            case 't': *out++ = '\t'; return 2;
            case 'r': *out++ = '\r'; return 2;
            case 'b': *out++ = '\b'; return 2;
            case 'f': *out++ = '\f'; return 2;
            case 'u':
                if (size_t used = unescape_unicode(out, text.substr(2)); used != 0) return 2 + used;
                break;
            default: break;
        }
    }
    *out++ = text[0];
    return 1;
}

/// Days since the epoch. http://howardhinnant.github.io/date_algorithms.html#days_from_civil
int64_t days_from_civil(int year, unsigned month, unsigned day) {
    year -= month <= 2 ? 1 : 0;
    int era = (year >= 0 ? year : year - 399) / 400;
    auto year_of_era = static_cast<unsigned>(year - era * 400);
    unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return int64_t{era} * 146097 + static_cast<int64_t>(day_of_era) - 719468;
}

/// "2024-03-01T12:00:00" in seconds; nothing for what has another form.
std::optional<int64_t> parse_second(std::string_view text) {
    constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:dd";
    unsigned numbers[6] = {};
    size_t number = 0;
    for (size_t i = 0; i < kForm.size(); ++i) {
        if (kForm[i] != 'd') {
            if (text[i] != kForm[i]) return std::nullopt;
            ++number;
        } else if (text[i] >= '0' && text[i] <= '9') {
            numbers[number] = numbers[number] * 10 + static_cast<unsigned>(text[i] - '0');
        } else {
            return std::nullopt;
        }
    }
    if (numbers[0] < 1700 || numbers[0] > 2261 || numbers[1] < 1 || numbers[1] > 12 || numbers[2] < 1 ||
        numbers[2] > 31 || numbers[3] > 23 || numbers[4] > 59 || numbers[5] > 60)
        return std::nullopt;
    int64_t days = days_from_civil(static_cast<int>(numbers[0]), numbers[1], numbers[2]);
    return days * 86400 + numbers[3] * 3600 + numbers[4] * 60 + numbers[5];
}

}  // namespace

char* unescape_json(char* out, std::string_view text) noexcept {
    const char* in = text.data();
    const char* end = in + text.size();
    while (true) {
#ifdef __SSE2__
        const __m128i backslash = _mm_set1_epi8('\\');
        const __m128i quote = _mm_set1_epi8('"');
        while (end - in >= 16) {
            __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in));
            _mm_storeu_si128(reinterpret_cast<__m128i*>(out), block);
            __m128i special = _mm_or_si128(_mm_cmpeq_epi8(block, backslash), _mm_cmpeq_epi8(block, quote));
            auto mask = static_cast<unsigned>(_mm_movemask_epi8(special));
            int plain = mask == 0 ? 16 : std::countr_zero(mask);
            in += plain;
            out += plain;
            if (mask != 0) break;
        }
#endif
        while (in != end && *in != '\\' && *in != '"') *out++ = *in++;
        if (in == end) return out;
        if (*in == '"') return nullptr;
        in += unescape_one(out, {in, static_cast<size_t>(end - in)});
    }
}

bool drop_half_record(LogRecord& record) {
    size_t start = record.text.rfind(kStart);
    if (start == std::string_view::npos) return false;
    record.text.remove_prefix(start + kStart.size());
    return true;
}

std::string text_of(LogRecord record) {
    std::string text;
    if (record.escaped) {
        text.resize(record.text.size() + 16);
        char* end = unescape_json(text.data(), record.text);
        while (end == nullptr && drop_half_record(record)) end = unescape_json(text.data(), record.text);
        text.resize(end == nullptr ? 0 : static_cast<size_t>(end - text.data()));
    } else {
        text = record.text;
    }
    if (record.adds_newline) text += '\n';
    return text;
}

bool RecordParser::parse(std::string_view line, LogRecord& record) {
    if (format_ != shim::LogFormat::local) return parse_json(line, record);
    shim::LocalHead head;
    if (!shim::decode_local_head(line, head)) {
        // A hole that a power cut left is read as zeros, with the next record right behind it.
        size_t behind = line.find_first_not_of('\0');
        if (behind == std::string_view::npos || behind == 0) return false;
        line.remove_prefix(behind);
        if (!shim::decode_local_head(line, head)) return false;
    }
    record.stream = head.stream;
    record.text = line.substr(shim::kLocalHeadSize);
    record.time = {};
    record.time_ns = head.time_ns;
    record.attrs = {};
    record.escaped = false;
    record.adds_newline = head.ends_line;
    return true;
}

bool RecordParser::parse_json(std::string_view line, LogRecord& record) {
    if (!line.starts_with(kStart)) {
        // A quote that belongs to a text is escaped, so this can only be the start of a record.
        size_t start = line.rfind(kStart);
        if (start == std::string_view::npos || start == 0) return parse_any_json(line, record);
        line.remove_prefix(start);
    }
    if (!line.ends_with("\"}")) return parse_any_json(line, record);
    size_t time = find_time(line);
    if (time == std::string_view::npos || time < kStart.size()) return parse_any_json(line, record);
    if (!split_head(line.substr(kStart.size(), time - kStart.size()), record))
        return parse_any_json(line, record);
    time += kTimeKey.size();
    record.time = line.substr(time, line.size() - 2 - time);
    record.escaped = true;
    record.adds_newline = false;
    return true;
}

/// `head`: text","stream":"stdout","attrs":{…}
bool RecordParser::split_head(std::string_view head, LogRecord& record) {
    record.attrs = {};
    if (take_stream(head, record.stream)) {
        record.text = head;
        return true;
    }
    if (!attrs_.empty() && head.ends_with(attrs_)) {
        std::string_view before = head.substr(0, head.size() - attrs_.size());
        if (take_stream(before, record.stream)) {
            record.text = before;
            record.attrs = head.substr(head.size() - attrs_.size() + kAttrsKey.size());
            return true;
        }
    }
    size_t length = string_length(head);
    if (length == std::string_view::npos) return false;
    std::string_view rest = head.substr(length);
    std::string_view stream = rest.substr(0, kStdout.size());
    if (!take_stream(stream, record.stream)) return false;
    rest.remove_prefix(kStdout.size());
    if (!rest.starts_with(kAttrsKey)) return false;
    attrs_ = rest;
    record.text = head.substr(0, length);
    record.attrs = rest.substr(kAttrsKey.size());
    return true;
}

/// What others wrote, in an order or with blanks of their own.
bool RecordParser::parse_any_json(std::string_view line, LogRecord& record) {
    if (!line.starts_with('{') || !line.ends_with('}')) return false;
    try {
        json::Value value = json::parse(line);
        const json::Object& object = value.as_object();
        auto text = [&](const char* key) -> std::string {
            const json::Value* member = object.if_contains(key);
            return member != nullptr && member->is_string() ? std::string(member->get_string())
                                                            : std::string();
        };
        text_ = text("log");
        time_ = text("time");
        const json::Value* attrs = object.if_contains("attrs");
        attrs_text_ = attrs != nullptr && attrs->is_object() ? json::print(*attrs) : std::string();
        record.stream = text("stream") == "stderr" ? shim::Stream::err : shim::Stream::out;
    } catch (const std::exception&) {
        return false;
    }
    if (time_.empty()) return false;
    record.text = text_;
    record.time = time_;
    record.attrs = attrs_text_;
    record.escaped = false;
    record.adds_newline = false;
    return true;
}

int64_t RecordParser::time_of(const LogRecord& record) {
    std::string_view text = record.time;
    if (text.empty()) return record.time_ns;
    if (text.size() < kShortestTime || text.back() != 'Z') return spec::parse_rfc3339(text).value_or(0);
    if (std::memcmp(text.data(), second_text_.data(), second_text_.size()) != 0) {
        std::optional<int64_t> second = parse_second(text);
        if (!second) return 0;
        std::memcpy(second_text_.data(), text.data(), second_text_.size());
        second_ = *second;
    }
    int64_t fraction = 0;
    size_t digits = 0;
    if (text[second_text_.size()] == '.') {
        for (char c : text.substr(second_text_.size() + 1, text.size() - second_text_.size() - 2)) {
            if (c < '0' || c > '9') return 0;
            if (digits++ < 9) fraction = fraction * 10 + (c - '0');
        }
    }
    for (; digits < 9; ++digits) fraction *= 10;
    return second_ * 1'000'000'000 + fraction;
}

}  // namespace berth::engine
