// SPDX-License-Identifier: Apache-2.0
#include "shim/log_record.h"

#include <bit>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace berth::shim {

namespace {

constexpr char kDigits[] = "0123456789abcdef";

/// Bytes that go to the output as they are, wherever they stand.
constexpr std::array<bool, 256> kPlain = [] {
    std::array<bool, 256> table{};
    for (size_t byte = 0x20; byte < 0x80; ++byte) table[byte] = true;
    for (unsigned char byte : {'"', '\\', '<', '>', '&'}) table[byte] = false;
    return table;
}();

unsigned char byte_at(std::string_view text, size_t i) {
    return static_cast<unsigned char>(text[i]);
}

/// The length that a lead byte announces; 0 if it can't begin a sequence of several bytes.
size_t announced_length(unsigned char lead) {
    if (lead >= 0xc2 && lead < 0xe0) return 2;
    if (lead >= 0xe0 && lead < 0xf0) return 3;
    if (lead >= 0xf0 && lead < 0xf5) return 4;
    return 0;
}

/// Whether `second` may follow `lead`: shuts out overlong forms, surrogates and what is above U+10FFFF.
bool may_follow(unsigned char lead, unsigned char second) {
    switch (lead) {
        case 0xe0: return second >= 0xa0 && second < 0xc0;
        case 0xed: return second >= 0x80 && second < 0xa0;
        case 0xf0: return second >= 0x90 && second < 0xc0;
        case 0xf4: return second >= 0x80 && second < 0x90;
        default: return (second & 0xc0) == 0x80;
    }
}

/// The length of the sequence of several bytes that `text` begins with, 0 if there is none.
size_t sequence_length(std::string_view text) {
    size_t length = announced_length(byte_at(text, 0));
    if (length == 0 || text.size() < length || !may_follow(byte_at(text, 0), byte_at(text, 1))) return 0;
    for (size_t i = 2; i < length; ++i)
        if ((byte_at(text, i) & 0xc0) != 0x80) return 0;
    return length;
}

char* put(char* out, std::string_view text) {
    std::memcpy(out, text.data(), text.size());
    return out + text.size();
}

char* escape_ascii(char* out, unsigned char byte) {
    *out++ = '\\';
    switch (byte) {
        case '"':
        case '\\': *out++ = static_cast<char>(byte); break;
        case '\n': *out++ = 'n'; break;
        case '\r': *out++ = 'r'; break;
        default:
            out = put(out, "u00");
            *out++ = kDigits[byte >> 4];
            *out++ = kDigits[byte & 15];
    }
    return out;
}

/// Copies plain bytes from the start of `text`, in blocks while 16 are left (which may write up to 16 bytes
/// more than are counted). Returns how many.
size_t copy_plain(char* out, std::string_view text) {
    size_t i = 0;
#ifdef __SSE2__
    const __m128i first_plain = _mm_set1_epi8(0x20);
    for (; i + 16 <= text.size(); i += 16) {
        __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + i));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), block);
        // As signed numbers, control characters and bytes from 0x80 on are both below 0x20.
        __m128i special = _mm_cmplt_epi8(block, first_plain);
        for (char c : {'"', '\\', '<', '>', '&'})
            special = _mm_or_si128(special, _mm_cmpeq_epi8(block, _mm_set1_epi8(c)));
        auto mask = static_cast<unsigned>(_mm_movemask_epi8(special));
        if (mask != 0) return i + static_cast<size_t>(std::countr_zero(mask));
    }
#endif
    for (; i < text.size() && kPlain[byte_at(text, i)]; ++i) out[i] = text[i];
    return i;
}

char* put_two(char* out, unsigned value) {
    *out++ = static_cast<char>('0' + value / 10);
    *out++ = static_cast<char>('0' + value % 10);
    return out;
}

/// "2024-03-01T12:00:00". The calendar by hand, because libc's gmtime reads the time zone files.
/// http://howardhinnant.github.io/date_algorithms.html#civil_from_days
char* put_second(char* out, int64_t second) {
    auto days = static_cast<unsigned>(second / 86400) + 719468;
    auto of_day = static_cast<unsigned>(second % 86400);
    unsigned era = days / 146097;
    unsigned day_of_era = days % 146097;
    unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned month_from_march = (5 * day_of_year + 2) / 153;
    unsigned day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    unsigned month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    unsigned year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
    out = put_two(put_two(out, year / 100), year % 100);
    *out++ = '-';
    out = put_two(out, month);
    *out++ = '-';
    out = put_two(out, day);
    *out++ = 'T';
    out = put_two(out, of_day / 3600);
    *out++ = ':';
    out = put_two(out, of_day / 60 % 60);
    *out++ = ':';
    return put_two(out, of_day % 60);
}

constexpr size_t kSecondLength = 19;

}  // namespace

char* encode_json_text(char* out, std::string_view text) noexcept {
    while (true) {
        size_t plain = copy_plain(out, text);
        out += plain;
        text.remove_prefix(plain);
        if (text.empty()) return out;
        unsigned char byte = byte_at(text, 0);
        size_t length = 1;
        if (byte < 0x80) {
            out = escape_ascii(out, byte);
        } else if ((length = sequence_length(text)) == 0) {
            length = 1;
            out = put(out, "\\ufffd");
        } else if (length == 3 && byte == 0xe2 && byte_at(text, 1) == 0x80 &&
                   (byte_at(text, 2) | 1) == 0xa9) {
            out = put(out, "\\u202");
            *out++ = kDigits[byte_at(text, 2) & 15];
        } else {
            out = put(out, text.substr(0, length));
        }
        text.remove_prefix(length);
    }
}

size_t incomplete_utf8_tail(std::string_view text) noexcept {
    for (size_t back = 1; back <= 3 && back <= text.size(); ++back) {
        unsigned char byte = byte_at(text, text.size() - back);
        if (byte < 0x80) return 0;
        if ((byte & 0xc0) == 0x80) continue;
        if (announced_length(byte) <= back) return 0;
        if (back > 1 && !may_follow(byte, byte_at(text, text.size() - back + 1))) return 0;
        return back;
    }
    return 0;
}

std::string_view RecordTime::format(int64_t time_ns) noexcept {
    if (time_ns < 0) time_ns = 0;
    int64_t second = time_ns / 1'000'000'000;
    auto fraction = static_cast<unsigned>(time_ns % 1'000'000'000);
    if (second != second_) {
        put_second(text_.data(), second);
        second_ = second;
    }
    char* end = text_.data() + kSecondLength;
    if (fraction != 0) {
        *end = '.';
        for (size_t digit = 9; digit > 0; --digit) {
            end[digit] = static_cast<char>('0' + fraction % 10);
            fraction /= 10;
        }
        end += 10;
        while (end[-1] == '0') --end;
    }
    *end++ = 'Z';
    return {text_.data(), static_cast<size_t>(end - text_.data())};
}

}  // namespace berth::shim
