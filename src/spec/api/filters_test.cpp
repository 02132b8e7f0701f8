// SPDX-License-Identifier: Apache-2.0
#include "spec/api/filters.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace berth::spec::api {
namespace {

std::string message_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        return error.what();
    }
    return "no error";
}

TEST(FiltersTest, ReadsBothForms) {
    Filters map = Filters::parse(R"({"status":{"running":true,"exited":true,"dead":false},"label":{}})");
    EXPECT_TRUE(map.has("status", "running"));
    EXPECT_TRUE(map.has("status", "exited"));
    EXPECT_FALSE(map.has("status", "dead"));
    EXPECT_TRUE(map.contains("label"));
    Filters list = Filters::parse(R"({"status":["running"],"id":null})");
    EXPECT_TRUE(list.has("status", "running"));
    EXPECT_TRUE(list.get("id").empty());
    EXPECT_TRUE(list.get("name").empty());
    EXPECT_TRUE(Filters::parse("").empty());
    EXPECT_TRUE(Filters::parse("{}").empty());
}

TEST(FiltersTest, RefusesOtherForms) {
    for (const char* text : {"x", "[]", "5", R"({"a":5})", R"({"a":[5]})", R"({"a":{"b":5}})", R"({"a":)"})
        EXPECT_EQ(message_of([&] { Filters::parse(text); }), "invalid filter") << text;
}

TEST(FiltersTest, Validates) {
    Filters filters = Filters::parse(R"({"status":["running"],"foo":["x"]})");
    EXPECT_EQ(message_of([&] { filters.validate({"status"}); }), "invalid filter 'foo'");
    filters.validate({"foo", "status"});
}

TEST(FiltersTest, Matches) {
    Filters filters = Filters::parse(R"({"status":["running","exited"],"id":["ab","c"],"one":["x"]})");
    EXPECT_TRUE(filters.exact("status", "exited"));
    EXPECT_FALSE(filters.exact("status", "exit"));
    EXPECT_TRUE(filters.exact("absent", "anything"));
    EXPECT_FALSE(filters.unique_exact("status", "running"));
    EXPECT_TRUE(filters.unique_exact("one", "x"));
    EXPECT_TRUE(filters.prefix("id", "abc"));
    EXPECT_TRUE(filters.prefix("id", "c"));
    EXPECT_FALSE(filters.prefix("id", "ba"));
    filters.add("id", "ba");
    EXPECT_TRUE(filters.prefix("id", "ba"));
    filters.remove("status");
    EXPECT_TRUE(filters.exact("status", "exit"));
}

TEST(FiltersTest, Expressions) {
    auto found = [](const std::string& expression, std::string_view source) {
        Filters filters;
        filters.add("name", expression);
        return filters.pattern("name", source);
    };
    EXPECT_TRUE(found("web", "my-web-1"));
    EXPECT_FALSE(found("web", "we"));
    EXPECT_TRUE(found("^/web$", "/web"));
    EXPECT_FALSE(found("^/web$", "/web2"));
    EXPECT_TRUE(found("^(?:a|b)-\\d+$", "b-17"));
    EXPECT_FALSE(found("^(?:a|b)-\\d+$", "b-x"));
    EXPECT_TRUE(found("^[\\d_]+$", "1_2"));
    EXPECT_TRUE(found("(?i)^WEB", "web"));
    EXPECT_TRUE(found("a\\.b", "a.b"));
    EXPECT_FALSE(found("a\\.b", "axb"));
    EXPECT_FALSE(found("(", "("));
    EXPECT_FALSE(found("((a{255}){255}){255}", "a"));
    EXPECT_FALSE(found("(a)\\1", "aa"));
    EXPECT_FALSE(found(std::string(5000, '.'), std::string(5000, 'x')));
}

TEST(FiltersTest, Labels) {
    std::map<std::string, std::string> labels{{"a", "1"}, {"b", "x=y"}};
    auto with = [](const char* text) { return Filters::parse(text); };
    EXPECT_TRUE(with(R"({"label":["a","b=x=y"]})").labels("label", labels));
    EXPECT_FALSE(with(R"({"label":["a","c"]})").labels("label", labels));
    EXPECT_FALSE(with(R"({"label":["a=2"]})").labels("label", labels));
    EXPECT_TRUE(with("{}").labels("label", {}));
    EXPECT_TRUE(with(R"({"label!":["c","a=2"]})").no_labels("label!", labels));
    EXPECT_FALSE(with(R"({"label!":["c","a"]})").no_labels("label!", labels));
}

TEST(FiltersTest, Flags) {
    auto flag = [](const char* text, bool otherwise = false) {
        return Filters::parse(text).flag("dangling", otherwise);
    };
    EXPECT_TRUE(flag(R"({"dangling":["true"]})"));
    EXPECT_TRUE(flag(R"({"dangling":{"1":true}})"));
    EXPECT_FALSE(flag(R"({"dangling":["0"]})", true));
    EXPECT_TRUE(flag("{}", true));
    EXPECT_EQ(message_of([&] { flag(R"({"dangling":["x"]})"); }), "invalid filter 'dangling=[x]'");
    EXPECT_EQ(message_of([&] { flag(R"({"dangling":["1","0"]})"); }), "invalid filter 'dangling=[0 1]'");
}

}  // namespace
}  // namespace berth::spec::api
