// SPDX-License-Identifier: Apache-2.0
#include "shim/log_record.h"

#include <gtest/gtest.h>

#include <ctime>
#include <random>
#include <string>

namespace berth::shim {
namespace {

std::string encode(std::string_view text) {
    // Surrounded by canaries: what lies beyond the promised room must stay as it was.
    std::string room(max_encoded_size(text.size()) + 64, '\x5a');
    char* end = encode_json_text(room.data(), text);
    size_t used = static_cast<size_t>(end - room.data());
    EXPECT_LE(used, 6 * text.size());
    for (size_t i = max_encoded_size(text.size()); i < room.size(); ++i) EXPECT_EQ(room[i], '\x5a');
    return room.substr(0, used);
}

/// The rule, written down once more, byte by byte.
std::string reference(std::string_view text) {
    std::string out;
    char hex[8];
    for (size_t i = 0; i < text.size();) {
        auto byte = [&](size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U; };
        unsigned c = byte(i), length = 1, code = c;
        bool valid = c < 0x80;
        if (c >= 0xc0 && c < 0xf8) {
            length = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
            code = c & (0xffU >> (length + 1));
            valid = true;
            for (size_t k = 1; k < length; ++k) {
                valid = valid && (byte(i + k) & 0xc0) == 0x80;
                code = code << 6 | (byte(i + k) & 0x3f);
            }
            unsigned least = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
            valid = valid && code >= least && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
        }
        if (!valid) {
            out += "\\ufffd";
            ++i;
            continue;
        }
        if (c == '"' || c == '\\') {
            (out += '\\') += text[i];
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\r') {
            out += "\\r";
        } else if (code < 0x20 || c == '<' || c == '>' || c == '&' || code == 0x2028 || code == 0x2029) {
            std::snprintf(hex, sizeof hex, "\\u%04x", code);
            out += hex;
        } else {
            out += text.substr(i, length);
        }
        i += length;
    }
    return out;
}

TEST(LogRecord, EscapesAsDockerDoes) {
    EXPECT_EQ(encode("plain text"), "plain text");
    EXPECT_EQ(encode(R"(say "hi" \ bye)"), R"(say \"hi\" \\ bye)");
    EXPECT_EQ(encode("a\tb\rc\nd"), R"(a\u0009b\rc\nd)");
    EXPECT_EQ(encode("<a href='x'>&</a>"), R"(\u003ca href='x'\u003e\u0026\u003c/a\u003e)");
    EXPECT_EQ(encode(std::string_view("\0\x01\x1b[31m\x7f", 8)), "\\u0000\\u0001\\u001b[31m\x7f");
    EXPECT_EQ(encode("\u2028\u2029\u202a"), "\\u2028\\u2029\u202a");
    EXPECT_EQ(encode("äöü€😀\ufffd"), "äöü€😀\ufffd");
    EXPECT_EQ(encode(""), "");
}

TEST(LogRecord, EachInvalidByteIsReplaced) {
    EXPECT_EQ(encode("a\xff"
                     "b"),
              R"(a\ufffdb)");
    EXPECT_EQ(encode("\xe2\x82"), R"(\ufffd\ufffd)");            // cut off
    EXPECT_EQ(encode("\xc0\xaf"), R"(\ufffd\ufffd)");            // overlong
    EXPECT_EQ(encode("\xed\xa0\x80"), R"(\ufffd\ufffd\ufffd)");  // surrogate
    EXPECT_EQ(encode("\xf4\x90\x80\x80"), R"(\ufffd\ufffd\ufffd\ufffd)");
    EXPECT_EQ(encode("\x80z"), R"(\ufffdz)");
}

TEST(LogRecord, AgreesWithTheRuleOnAnyBytes) {
    std::mt19937 random(1);
    constexpr std::string_view kPieces[] = {"a",
                                            "\"",
                                            "\\",
                                            "\n",
                                            "<",
                                            "\xe2\x80\xa8",
                                            "ä",
                                            "\xff",
                                            "\xe2\x82",
                                            "\xf0\x9f\x98",
                                            "plain text of some length",
                                            "😀"};
    for (int round = 0; round < 20000; ++round) {
        std::string text;
        size_t parts = random() % 12;
        for (size_t i = 0; i < parts; ++i) {
            if (random() % 3 == 0)
                text += static_cast<char>(random());
            else
                text += kPieces[random() % std::size(kPieces)];
        }
        ASSERT_EQ(encode(text), reference(text)) << testing::PrintToString(text);
    }
}

TEST(LogRecord, EveryByteAtEveryPlaceOfABlock) {
    for (int byte = 0; byte < 256; ++byte) {
        for (size_t place = 0; place < 34; ++place) {
            std::string text(34, 'x');
            text[place] = static_cast<char>(byte);
            ASSERT_EQ(encode(text), reference(text)) << byte << " at " << place;
        }
    }
}

TEST(LogRecord, IncompleteTail) {
    EXPECT_EQ(incomplete_utf8_tail(""), 0U);
    EXPECT_EQ(incomplete_utf8_tail("abc"), 0U);
    EXPECT_EQ(incomplete_utf8_tail("ab€"), 0U);
    EXPECT_EQ(incomplete_utf8_tail("ab\xe2"), 1U);
    EXPECT_EQ(incomplete_utf8_tail("ab\xe2\x82"), 2U);
    EXPECT_EQ(incomplete_utf8_tail("ab\xf0\x9f\x98"), 3U);
    EXPECT_EQ(incomplete_utf8_tail("\xf0\x9f\x98\x80"), 0U);
    EXPECT_EQ(incomplete_utf8_tail("ab\x80\x80\x80\x80"), 0U);
    EXPECT_EQ(incomplete_utf8_tail("ab\xc0"), 0U);
    EXPECT_EQ(incomplete_utf8_tail("ab\xed\xa0"), 0U) << "can't become a character any more";
}

TEST(LogRecord, Times) {
    RecordTime time;
    EXPECT_EQ(time.format(0), "1970-01-01T00:00:00Z");
    EXPECT_EQ(time.format(1'709'294'400'123'456'789), "2024-03-01T12:00:00.123456789Z");
    EXPECT_EQ(time.format(1'709'294'400'120'000'000), "2024-03-01T12:00:00.12Z");
    EXPECT_EQ(time.format(1'709'294'400'000'000'001), "2024-03-01T12:00:00.000000001Z");
    EXPECT_EQ(time.format(1'709'294'400'000'000'000), "2024-03-01T12:00:00Z");
    EXPECT_EQ(time.format(951'868'799'500'000'000), "2000-02-29T23:59:59.5Z");
    EXPECT_EQ(time.format(-5), "1970-01-01T00:00:00Z");
}

TEST(LogRecord, CalendarAgreesWithLibc) {
    RecordTime time;
    for (int64_t second = 0; second < 9'000'000'000; second += 12'345'679) {
        std::tm parts{};
        ::gmtime_r(&second, &parts);
        char text[40];
        std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
        ASSERT_EQ(time.format(second * 1'000'000'000), text);
    }
}

}  // namespace
}  // namespace berth::shim
