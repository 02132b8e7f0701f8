// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include "base/json_write.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace berth::json {
namespace {

enum class Colour { red, green };
BOOST_DESCRIBE_ENUM(Colour, red, green)

struct Inner {
    uint16_t port = 7;
    std::vector<std::string> class_;
};
BOOST_DESCRIBE_STRUCT(Inner, (), (port, class_))

struct Outer {
    std::string name;
    std::optional<int64_t> limit;
    std::vector<Inner> inner;
    std::map<std::string, std::string> labels;
    Colour colour = Colour::red;
    bool flag = false;
};
BOOST_DESCRIBE_STRUCT(Outer, (), (name, limit, inner, labels, colour, flag))

struct Listed {
    std::string Name;
    std::optional<int> Nothing;
    std::vector<std::string> List;
    int Count = 0;
    bool On = false;
    std::optional<std::vector<std::string>> Maybe;
    std::optional<berth::json::Inner> Inner;
};
BOOST_DESCRIBE_STRUCT(Listed, (), (Name, Nothing, List, Count, On, Maybe, Inner))
constexpr bool json_omit_empty(const Listed*, std::string_view key) {
    return is_one_of(key, "Count", "On", "Maybe", "Inner");
}
constexpr bool json_any_case(const Listed*) {
    return true;
}

std::string failure(std::string_view text) {
    try {
        decode_text<Outer>(text);
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        return error.what();
    }
    return "accepted";
}

TEST(Json, DecodesNestedStructs) {
    Outer outer = decode_text<Outer>(
        R"({"name":"a","limit":-3,"inner":[{"port":80,"class":["x"]},{}],"labels":{"k":"v"},"colour":"green","extra":1})");
    EXPECT_EQ(outer.name, "a");
    EXPECT_EQ(outer.limit, -3);
    ASSERT_EQ(outer.inner.size(), 2u);
    EXPECT_EQ(outer.inner[0].port, 80);
    EXPECT_THAT(outer.inner[0].class_, testing::ElementsAre("x"));
    EXPECT_EQ(outer.inner[1].port, 7);
    EXPECT_EQ(outer.labels.at("k"), "v");
    EXPECT_EQ(outer.colour, Colour::green);
}

TEST(Json, NullIsAMissingKey) {
    Outer outer = decode_text<Outer>(
        R"({"name":null,"limit":null,"inner":null,"labels":null,"colour":null,"flag":null})");
    EXPECT_EQ(outer.limit, std::nullopt);
    EXPECT_TRUE(outer.inner.empty());
}

TEST(Json, ErrorsNameTheField) {
    EXPECT_EQ(failure(R"({"inner":[{},{"class":[1]}]})"),
              "inner[1].class[0]: expected a string, found a number");
    EXPECT_EQ(failure(R"({"inner":[{"port":70000}]})"), "inner[0].port: the number 70000 is out of range");
    EXPECT_EQ(failure(R"({"inner":[{"port":-1}]})"), "inner[0].port: the number -1 is negative");
    EXPECT_EQ(failure(R"({"limit":1.5})"), "limit: expected an integer, found a number");
    EXPECT_EQ(failure(R"({"limit":18446744073709551615})"),
              "limit: the number 18446744073709551615 is out of range");
    EXPECT_EQ(failure(R"({"labels":{"k":[]}})"), "labels.k: expected a string, found an array");
    EXPECT_EQ(failure(R"({"colour":"blue"})"), "colour: unknown value \"blue\"");
    EXPECT_EQ(failure("[]"), "expected an object, found an array");
    EXPECT_THAT(failure("{\"name\":\n  oops}"), testing::StartsWith("not valid JSON at line 2, column"));
    EXPECT_THAT(failure("{} {}"), testing::StartsWith("not valid JSON"));
    EXPECT_THAT(failure("{\"name\":\"a\""), testing::StartsWith("not valid JSON"));
    EXPECT_THAT(failure(std::string(100, '[')), testing::StartsWith("not valid JSON"));
}

TEST(Json, RefusesNumbersThatNoDoubleHolds) {
    EXPECT_EQ(failure(R"({"extra":[0,{"a":1e400}]})"), "extra[1].a: the number is out of range");
    EXPECT_EQ(failure("-1e999"), "the number is out of range");
    EXPECT_EQ(print(parse("1.5e308")), "1.5E308");
}

TEST(Json, EncodesAndOmits) {
    Outer outer;
    outer.name = "a";
    EXPECT_EQ(print(encode(outer)), R"({"name":"a","colour":"red","flag":false})");
    EXPECT_EQ(print(encode(outer, Omit::nothing)),
              R"({"name":"a","limit":null,"inner":[],"labels":{},"colour":"red","flag":false})");
}

TEST(Json, RoundTrips) {
    std::string text =
        R"({"name":"a\"\n","limit":5,"inner":[{"port":1,"class":["y"]}],"labels":{"k":"v"},"colour":"green","flag":true})";
    EXPECT_EQ(print(encode(decode_text<Outer>(text))), text);
}

TEST(Json, PrintStringReplacesWhatIsNotUtf8) {
    EXPECT_EQ(print_string("a\xff\"\x01\xc3\xa9\xed\xa0\x80"),
              "\"a\\ufffd\\\"\\u0001\xc3\xa9\\ufffd\\ufffd\\ufffd\"");
}

TEST(Json, OmitsWhatIsDeclared) {
    EXPECT_EQ(print(encode(Listed{}, Omit::declared)), R"({"Name":"","Nothing":null,"List":[]})");
    Listed listed;
    listed.Count = 1;
    listed.On = true;
    listed.Maybe.emplace();
    listed.Inner.emplace().port = 3;
    EXPECT_EQ(print(encode(listed, Omit::declared)),
              R"({"Name":"","Nothing":null,"List":[],"Count":1,"On":true,"Inner":{"port":3,"class":[]}})");
    listed.Maybe->push_back("x");
    EXPECT_NE(print(encode(listed, Omit::declared)).find(R"("Maybe":["x"])"), std::string::npos);
}

TEST(Json, TakesKeysOfAnyCase) {
    EXPECT_EQ(decode_text<Listed>(R"({"NAME":"a","name":"b","count":5})").Name, "a");
    EXPECT_EQ(decode_text<Listed>(R"({"NAME":"a","Name":"b","count":5})").Name, "b");
    EXPECT_EQ(decode_text<Listed>(R"({"count":5})").Count, 5);
    EXPECT_EQ(decode_text<Outer>(R"({"NAME":"a"})").name, "");
}

TEST(Json, AppendWritesWhatEncodeDoes) {
    Outer outer = decode_text<Outer>(
        R"({"name":"a\"\n","limit":5,"inner":[{"port":1,"class":["y"]},{}],"labels":{"k":"v","l":""},"flag":true})");
    Listed listed;
    listed.List = {"a", "b"};
    for (Omit omit : {Omit::nothing, Omit::empty, Omit::declared}) {
        std::string text = "x";
        append(text, outer, omit);
        EXPECT_EQ(text, "x" + print(encode(outer, omit)));
        text.clear();
        append(text, Outer{}, omit);
        EXPECT_EQ(text, print(encode(Outer{}, omit)));
        text.clear();
        append(text, listed, omit);
        EXPECT_EQ(text, print(encode(listed, omit)));
    }
}

TEST(Json, ValidUtf8) {
    EXPECT_EQ(valid_utf8("a\xc3\xa9"), "a\xc3\xa9");
    EXPECT_EQ(valid_utf8("a\xff\xc3\xa9\xed"), "a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd");
    EXPECT_EQ(valid_utf8(""), "");
}

TEST(Json, PrintsIndented) {
    EXPECT_EQ(print_indented(parse(R"({"a":[1,{}],"b":{}})")),
              "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": {}\n}");
}

}  // namespace
}  // namespace berth::json
