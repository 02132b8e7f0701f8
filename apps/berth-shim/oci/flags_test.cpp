// SPDX-License-Identifier: Apache-2.0
#include "flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "base/error.h"

namespace berth::oci {
namespace {

using testing::ElementsAre;
using namespace std::chrono_literals;

constexpr std::array kTable = {
    Flag{"bundle", "b", Flag::Kind::text, ""},      Flag{"detach", "d", Flag::Kind::boolean, ""},
    Flag{"env", "e", Flag::Kind::texts, ""},        Flag{"preserve-fds", "", Flag::Kind::number, ""},
    Flag{"interval", "", Flag::Kind::duration, ""}, Flag{"additional-gids", "g", Flag::Kind::numbers, ""},
};

struct Parsed {
    Flags flags;
    std::vector<std::string> rest;
};

Parsed parse(const std::vector<std::string>& words) {
    size_t used = 0;
    Flags flags = parse_flags(kTable, words, used);
    return {std::move(flags), {words.begin() + static_cast<std::ptrdiff_t>(used), words.end()}};
}

std::string failure(const std::vector<std::string>& words) {
    try {
        parse(words);
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        return error.what();
    }
    return "parsed";
}

TEST(Flags, HaveOneOrTwoDashesAndValuesInTwoForms) {
    EXPECT_EQ(parse({"--bundle", "/x"}).flags.text("bundle"), "/x");
    EXPECT_EQ(parse({"-bundle=/x"}).flags.text("bundle"), "/x");
    EXPECT_EQ(parse({"-b", "/x"}).flags.text("bundle"), "/x");
    EXPECT_EQ(parse({"--b=/x=y"}).flags.text("bundle"), "/x=y");
    EXPECT_EQ(parse({"--bundle", "-d"}).flags.text("bundle"), "-d");
    EXPECT_EQ(parse({"--bundle="}).flags.text("bundle"), "");
    EXPECT_TRUE(parse({"--bundle="}).flags.is_set("bundle"));
    EXPECT_FALSE(parse({}).flags.is_set("bundle"));
    EXPECT_EQ(parse({"-b", "1", "-b", "2"}).flags.text("bundle"), "2");
}

TEST(Flags, EndAtTheFirstPositionalWord) {
    Parsed parsed = parse({"-d", "id", "-b", "x"});
    EXPECT_TRUE(parsed.flags.boolean("detach"));
    EXPECT_FALSE(parsed.flags.is_set("bundle"));
    EXPECT_THAT(parsed.rest, ElementsAre("id", "-b", "x"));
    EXPECT_THAT(parse({"-d", "--", "-b"}).rest, ElementsAre("-b"));
    EXPECT_THAT(parse({"-", "-d"}).rest, ElementsAre("-", "-d"));
    EXPECT_THAT(parse({"", "-d"}).rest, ElementsAre("", "-d"));
}

TEST(Flags, BoolsTakeTheirValueOnlyAfterEquals) {
    EXPECT_FALSE(parse({"--detach=false"}).flags.boolean("detach"));
    EXPECT_TRUE(parse({"--detach=T"}).flags.boolean("detach"));
    EXPECT_THAT(parse({"--detach", "false"}).rest, ElementsAre("false"));
}

TEST(Flags, RepeatedOnesCollect) {
    Flags flags = parse({"-e", "A=1", "--env=B=2,3", "-g", "5", "-g", "0x10"}).flags;
    EXPECT_THAT(flags.texts("env"), ElementsAre("A=1", "B=2,3"));
    EXPECT_THAT(flags.numbers("additional-gids"), ElementsAre(5, 16));
    EXPECT_TRUE(parse({}).flags.texts("env").empty());
}

TEST(Flags, NumbersAreThoseOfGo) {
    auto number = [](const std::string& text) {
        return parse({"--preserve-fds", text}).flags.number("preserve-fds");
    };
    EXPECT_EQ(number("7"), 7);
    EXPECT_EQ(number("-7"), -7);
    EXPECT_EQ(number("0x1F"), 31);
    EXPECT_EQ(number("017"), 15);
    EXPECT_EQ(number("0o17"), 15);
    EXPECT_EQ(number("0b11"), 3);
    EXPECT_EQ(number("0"), 0);
    EXPECT_EQ(parse({}).flags.number("preserve-fds"), std::nullopt);
    for (const char* wrong : {"", "x", "1x", "0x", "--1", "99999999999999999999"})
        EXPECT_EQ(failure({"--preserve-fds", wrong}),
                  fmt::format("invalid value \"{}\" for flag -preserve-fds: parse error", wrong));
}

TEST(Flags, ErrorsAreInTheWordsOfGo) {
    EXPECT_EQ(failure({"--bogus", "x"}), "flag provided but not defined: -bogus");
    EXPECT_EQ(failure({"-dz"}), "flag provided but not defined: -dz");
    EXPECT_EQ(failure({"--bundle"}), "flag needs an argument: -bundle");
    EXPECT_EQ(failure({"-b"}), "flag needs an argument: -b");
    EXPECT_EQ(failure({"---b"}), "bad flag syntax: ---b");
    EXPECT_EQ(failure({"--=b"}), "bad flag syntax: --=b");
    EXPECT_EQ(failure({"-d=maybe"}), "invalid boolean value \"maybe\" for -d: parse error");
    EXPECT_EQ(failure({"--interval=5"}), "invalid value \"5\" for flag -interval: parse error");
}

TEST(ParseDuration, TakesWhatGoTakes) {
    EXPECT_EQ(parse_duration("5s"), 5s);
    EXPECT_EQ(parse_duration("1m30s"), 90s);
    EXPECT_EQ(parse_duration("1.5h"), 90min);
    EXPECT_EQ(parse_duration("100ms"), 100ms);
    EXPECT_EQ(parse_duration("3us"), 3us);
    EXPECT_EQ(parse_duration("3µs"), 3us);
    EXPECT_EQ(parse_duration("-2s"), -2s);
    EXPECT_EQ(parse_duration("0"), 0s);
    for (const char* wrong : {"", "5", "s", "5 s", "5sx", "1..5s", "999999999h"})
        EXPECT_EQ(parse_duration(wrong), std::nullopt) << wrong;
}

}  // namespace
}  // namespace berth::oci
