// SPDX-License-Identifier: Apache-2.0
#include "engine/streams/detach_keys.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace berth::engine {
namespace {

TEST(DetachKeysTest, KeysByTheirNames) {
    EXPECT_EQ(parse_detach_keys(""), "\x10\x11");
    EXPECT_EQ(parse_detach_keys("ctrl-p,ctrl-q"), "\x10\x11");
    EXPECT_EQ(parse_detach_keys("ctrl-a,a"),
              "\x01"
              "a");
    EXPECT_EQ(parse_detach_keys("ctrl-@"), std::string(1, '\0'));
    EXPECT_EQ(parse_detach_keys("ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_,DEL,A"),
              "\x1b\x1c\x1d\x1e\x1f\x7f"
              "A");
    for (const char* bad : {"ctrl-A", "ctrl-", "ctrl-aa", "ab", "a,", ",", "del", "ctrl-1"}) {
        try {
            parse_detach_keys(bad);
            ADD_FAILURE() << bad;
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
            EXPECT_EQ(std::string(error.what()), fmt::format("Invalid detach keys ({}) provided", bad));
        }
    }
}

/// What passes of `pieces`; "!" at the end where the keys were typed.
std::string passed(std::string keys, std::initializer_list<std::string_view> pieces) {
    DetachScanner scanner(std::move(keys));
    std::string out;
    for (std::string_view piece : pieces)
        if (scanner.scan(piece, out)) return out + "!";
    return out;
}

TEST(DetachKeysTest, ScansWhatIsTyped) {
    EXPECT_EQ(passed("pq", {"abc"}), "abc");
    EXPECT_EQ(passed("pq", {"abpq", "x"}), "ab!");
    EXPECT_EQ(passed("pq", {"pqrest"}), "!");
    EXPECT_EQ(passed("pq", {"p"}), "") << "held back";
    EXPECT_EQ(passed("pq", {"p", "q"}), "!");
    EXPECT_EQ(passed("pq", {"p", "x", "p", "y"}), "pxpy");
    EXPECT_EQ(passed("pq", {"p", "p", "q"}), "p!") << "the second one begins anew";
    EXPECT_EQ(passed("aab", {"aaa", "b"}), "a!");
    EXPECT_EQ(passed("abac", {"ababac"}), "ab!");
    EXPECT_EQ(passed("abac", {"abad"}), "abad");
    EXPECT_EQ(passed("x", {"x"}), "!");
    EXPECT_EQ(passed("", {"pq"}), "pq");
}

}  // namespace
}  // namespace berth::engine
