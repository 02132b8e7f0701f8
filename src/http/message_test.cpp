// SPDX-License-Identifier: Apache-2.0
#include "http/message.h"

#include <gtest/gtest.h>

#include "http/proxy.h"

namespace berth::http {
namespace {

TEST(HeadersTest, NamesCompareWithoutCaseAndOrderIsKept) {
    Headers headers{{"A", "1"}, {"b", "2"}, {"a", "3"}};
    EXPECT_EQ(headers.get("a"), "1");
    EXPECT_EQ(headers.all("A"), (std::vector<std::string_view>{"1", "3"}));
    headers.set("A", "4");
    EXPECT_EQ(headers.all("a"), (std::vector<std::string_view>{"4"}));
    EXPECT_EQ(headers.begin()->first, "b");
    EXPECT_FALSE(headers.find("c"));
    EXPECT_EQ(headers.get("c"), "");
    headers.set("Connection", "keep-alive , Upgrade");
    EXPECT_TRUE(headers.has_token("connection", "upgrade"));
    EXPECT_FALSE(headers.has_token("connection", "keep"));
}

TEST(HeadersTest, NothingCanBeInjected) {
    Headers headers;
    for (std::string value : {std::string("a\r\nb: c"), std::string("a\n"), std::string("a\0b", 3)}) {
        EXPECT_THROW(headers.set("x", value), Error);
        EXPECT_THROW(headers.add("x", value), Error);
        EXPECT_THROW((Headers{{"x", value}}), Error);
        EXPECT_THROW(headers.set(value, "x"), Error);
    }
    EXPECT_THROW(headers.set("", "x"), Error);
}

TEST(QueryTest, DecodesPairsInOrder) {
    Query query = Query::parse("a=1&b=x+y%2Fz&a=2&c&=e&bad=%zz%4&&filters=%7B%22a%22%3A%5B%5D%7D");
    EXPECT_EQ(query.all("a"), (std::vector<std::string_view>{"1", "2"}));
    EXPECT_EQ(query.get("b"), "x y/z");
    EXPECT_TRUE(query.find("c"));
    EXPECT_EQ(query.get("c"), "");
    EXPECT_EQ(query.get("bad"), "%zz%4");
    EXPECT_EQ(query.get("filters"), R"({"a":[]})");
    EXPECT_FALSE(query.find("d"));
}

TEST(PercentTest, RoundTrip) {
    std::string all;
    for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
    EXPECT_EQ(percent_decode(percent_encode(all)), all);
    EXPECT_EQ(percent_encode("a/b c", "/"), "a/b%20c");
    EXPECT_EQ(percent_decode("%41%4"), "A%4");
}

TEST(UrlTest, Parses) {
    Url url = Url::parse("HTTPS://us%40er:p%3Aw@Example.com:8443/v2/x?y=1#part");
    EXPECT_EQ(url.scheme, "https");
    EXPECT_EQ(url.user, "us@er");
    EXPECT_EQ(url.password, "p:w");
    EXPECT_EQ(url.host, "example.com");
    EXPECT_EQ(url.target, "/v2/x?y=1");
    EXPECT_EQ(url.text(), "https://example.com:8443/v2/x?y=1");
    EXPECT_EQ(Url::parse("http://[::1]:80").authority(), "[::1]");
    EXPECT_EQ(Url::parse("http://[::1]:81").authority(), "[::1]:81");
    EXPECT_EQ(Url::parse("http://h?x").target, "/?x");
    EXPECT_EQ(Url::parse("https://h").effective_port(), 443);
    for (const char* bad :
         {"", "h", "://h", "http://", "http://:80", "http://h:0", "http://h:99999", "http://h:x",
          "http://h\r\n/", "http://a b/", "http://[::1/", "http://a/b\nc", "1http://h"})
        EXPECT_THROW(Url::parse(bad), Error) << bad;
}

TEST(UrlTest, ResolvesReferences) {
    Url base = Url::parse("http://user:secret@h:5000/v2/a/blobs/uploads/?x=1");
    auto at = [&](std::string_view reference) { return base.resolve(reference).text(); };
    EXPECT_EQ(at("/v2/b"), "http://h:5000/v2/b");
    EXPECT_EQ(at("uuid?digest=1"), "http://h:5000/v2/a/blobs/uploads/uuid?digest=1");
    EXPECT_EQ(at("../x/./y"), "http://h:5000/v2/a/blobs/x/y");
    EXPECT_EQ(at("/a/../../b/.."), "http://h:5000/");
    EXPECT_EQ(at("?last=z"), "http://h:5000/v2/a/blobs/uploads/?last=z");
    EXPECT_EQ(at("//other/p"), "http://other/p");
    EXPECT_EQ(at("https://cdn.example/blob"), "https://cdn.example/blob");
    // Credentials stay with their host.
    EXPECT_EQ(base.resolve("/x").user, "user");
    EXPECT_EQ(base.resolve("//other/p").user, "");
    EXPECT_THROW(base.resolve("/a b"), Error);
}

TEST(ProxyTest, FollowsNoProxyAsGoDoes) {
    auto through = [](const char* url, const char* none) {
        return proxy_for(Url::parse(url), "proxy:3128", "http://u:p@secure:1", none).has_value();
    };
    EXPECT_TRUE(through("http://example.com", ""));
    EXPECT_EQ(proxy_for(Url::parse("http://x"), "proxy:3128", "", "")->host, "proxy");
    EXPECT_EQ(proxy_for(Url::parse("https://x"), "", "http://u:p@secure:1", "")->password, "p");
    EXPECT_FALSE(through("http://example.com", "*"));
    EXPECT_FALSE(through("http://example.com", "foo, EXAMPLE.com"));
    EXPECT_FALSE(through("http://a.example.com", "example.com"));
    EXPECT_TRUE(through("http://badexample.com", "example.com"));
    EXPECT_TRUE(through("http://example.com", ".example.com"));
    EXPECT_FALSE(through("http://a.example.com", "*.example.com"));
    EXPECT_FALSE(through("http://example.com:81", "example.com:81"));
    EXPECT_TRUE(through("http://example.com", "example.com:81"));
    EXPECT_FALSE(through("http://10.1.2.3", "10.0.0.0/8"));
    EXPECT_TRUE(through("http://11.1.2.3", "10.0.0.0/8"));
    EXPECT_FALSE(through("http://[fd00::1]", "fd00::/8"));
    EXPECT_FALSE(through("http://[fd00::1]", "[fd00::1]"));
    EXPECT_FALSE(through("http://10.1.2.3", "10.1.2.3:80"));
    for (const char* loopback : {"http://localhost:5000", "http://127.0.0.5", "http://[::1]:5000"})
        EXPECT_FALSE(through(loopback, ""));
}

TEST(ErrorTest, KindsHaveStatuses) {
    EXPECT_EQ(status_of(Error(ErrorKind::not_found, "")), 404);
    EXPECT_EQ(status_of(Error(ErrorKind::unavailable, "")), 503);
    EXPECT_EQ(status_of(StatusError(413, ErrorKind::invalid_argument, "")), 413);
}

}  // namespace
}  // namespace berth::http
