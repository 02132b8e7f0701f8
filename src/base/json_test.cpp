// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

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

TEST(Json, PrintsIndented) {
    EXPECT_EQ(print_indented(parse(R"({"a":[1,{}],"b":{}})")),
              "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": {}\n}");
}

}  // namespace
}  // namespace berth::json
