// SPDX-License-Identifier: Apache-2.0
#include "flags.h"

#include <gtest/gtest.h>

#include <array>

#include "base/error.h"

namespace berth::app {
namespace {

constexpr std::array kTable{
    Flag{.name = "all", .shorthand = 'a', .kind = Flag::Kind::boolean, .usage = "All of them"},
    Flag{.name = "count",
         .shorthand = 'n',
         .kind = Flag::Kind::number,
         .usage = "How many",
         .default_text = "3"},
    Flag{.name = "filter",
         .shorthand = 'f',
         .kind = Flag::Kind::list,
         .usage = "Conditions",
         .type = "filter"},
    Flag{.name = "output", .shorthand = 'o', .usage = "A file"},
    Flag{.name = "quiet", .shorthand = 'q', .kind = Flag::Kind::boolean, .usage = "Less"},
    Flag{.name = "secret", .usage = "Not shown", .hidden = true},
};

struct Parsed {
    Flags flags;
    std::vector<std::string> args;
    size_t used = 0;
};

Parsed parse(const std::vector<std::string>& words, bool interspersed = true) {
    Parsed parsed;
    parsed.flags.add_table(kTable);
    parsed.used = parse_flags(parsed.flags, words, interspersed, parsed.args);
    return parsed;
}

std::string error_of(const std::vector<std::string>& words) {
    try {
        parse(words);
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        return error.what();
    }
    return "no error";
}

TEST(Flags, TakesEveryFormOfAValue) {
    for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
             {"--output", "x"}, {"--output=x"}, {"-o", "x"}, {"-ox"}, {"-o=x"}, {"-qo", "x"}, {"-qox"}}) {
        Parsed parsed = parse(words);
        EXPECT_EQ(parsed.flags.text("output"), "x") << words[0];
        EXPECT_TRUE(parsed.args.empty());
    }
}

TEST(Flags, BooleansClusterAndTakeAValueOnlyAfterEquals) {
    Parsed parsed = parse({"-aq", "false"});
    EXPECT_TRUE(parsed.flags.boolean("all"));
    EXPECT_TRUE(parsed.flags.boolean("quiet"));
    EXPECT_EQ(parsed.args, std::vector<std::string>{"false"});
    EXPECT_FALSE(parse({"--all=false"}).flags.boolean("all"));
    EXPECT_FALSE(parse({"-a=0"}).flags.boolean("all"));
    EXPECT_TRUE(parse({"--all=false"}).flags.is_set("all"));
}

TEST(Flags, DefaultsHoldUntilSomethingIsGiven) {
    EXPECT_EQ(parse({}).flags.number("count"), 3);
    EXPECT_EQ(parse({"-n", "-5"}).flags.number("count"), -5);
    EXPECT_EQ(parse({"-n1", "-n2"}).flags.number("count"), 2);
    EXPECT_FALSE(parse({}).flags.is_set("count"));
    EXPECT_TRUE(parse({}).flags.list("filter").empty());
}

TEST(Flags, WordsMayStandBetween) {
    Parsed parsed = parse({"x", "-f", "a=1", "y", "--filter=b", "--", "-a"});
    EXPECT_EQ(parsed.args, (std::vector<std::string>{"x", "y", "-a"}));
    EXPECT_EQ(parsed.flags.list("filter"), (std::vector<std::string>{"a=1", "b"}));
    EXPECT_FALSE(parsed.flags.boolean("all"));
    EXPECT_EQ(parse({"-"}).args, std::vector<std::string>{"-"});
}

TEST(Flags, OfAGroupEndAtItsCommand) {
    Parsed parsed = parse({"-a", "ls", "-q"}, false);
    EXPECT_EQ(parsed.used, 1u);
    EXPECT_TRUE(parsed.args.empty());
    EXPECT_FALSE(parsed.flags.boolean("quiet"));
}

TEST(Flags, ErrorsAreThoseOfPflag) {
    EXPECT_EQ(error_of({"--foo"}), "unknown flag: --foo");
    EXPECT_EQ(error_of({"--foo=1"}), "unknown flag: --foo");
    EXPECT_EQ(error_of({"-qx"}), "unknown shorthand flag: 'x' in -x");
    EXPECT_EQ(error_of({"--output"}), "flag needs an argument: --output");
    EXPECT_EQ(error_of({"-qo"}), "flag needs an argument: 'o' in -o");
    EXPECT_EQ(error_of({"-q=foo"}),
              "invalid argument \"foo\" for \"-q, --quiet\" flag: strconv.ParseBool: parsing \"foo\": "
              "invalid syntax");
    EXPECT_EQ(
        error_of({"-n", "x"}),
        "invalid argument \"x\" for \"-n, --count\" flag: strconv.ParseInt: parsing \"x\": invalid syntax");
    EXPECT_EQ(error_of({"---x"}), "bad flag syntax: ---x");
}

TEST(Flags, HelpHasTwoColumns) {
    std::array<std::span<const Flag>, 1> tables{kTable};
    EXPECT_EQ(flag_help(tables, 80),
              "  -a, --all             All of them\n"
              "  -n, --count int       How many (default 3)\n"
              "  -f, --filter filter   Conditions\n"
              "  -o, --output string   A file\n"
              "  -q, --quiet           Less\n");
}

}  // namespace
}  // namespace berth::app
