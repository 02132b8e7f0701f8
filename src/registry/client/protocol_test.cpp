// SPDX-License-Identifier: Apache-2.0
// The parts that look at what registries say, without a registry.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/client/challenge.h"
#include "registry/client/client.h"
#include "registry/client/endpoints.h"
#include "registry/client/layer_download.h"
#include "registry/client/link.h"
#include "registry/client/response_error.h"

namespace berth::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Challenges, TokenServerOfTheHub) {
    auto found =
        parse_challenges({R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",)"
                          R"(scope="repository:a/b:pull,push")"});
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].scheme, "bearer");
    EXPECT_EQ(found[0].get("realm"), "https://auth.docker.io/token");
    EXPECT_EQ(found[0].get("scope"), "repository:a/b:pull,push");
}

TEST(Challenges, SeveralInOneFieldAndInSeveral) {
    auto found = parse_challenges(
        {"Negotiate, Basic realm=\"a, \\\"b\\\"\" , BEARER Realm=x , service = y", "Digest"});
    ASSERT_EQ(found.size(), 4u);
    EXPECT_EQ(found[0].scheme, "negotiate");
    EXPECT_EQ(found[1].get("realm"), "a, \"b\"");
    EXPECT_EQ(found[2].scheme, "bearer");
    EXPECT_EQ(found[2].get("realm"), "x");
    EXPECT_EQ(found[2].get("service"), "y");
    EXPECT_EQ(found[3].scheme, "digest");
}

TEST(Challenges, GarbageIsSkipped) {
    for (std::string_view text :
         {"", ",,,", "=", "\"", "Bearer realm=\"", "Bearer =x", "\x01\xff", "a=b", "Bearer realm"})
        parse_challenges({text});
    std::string many;
    for (int i = 0; i < 100; ++i) many += "Basic a=b, ";
    EXPECT_LE(parse_challenges({many}).size(), 16u);
}

TEST(Links, Next) {
    auto next = [](std::string value) { return next_link(http::Headers{{"Link", std::move(value)}}); };
    EXPECT_EQ(next(R"(</v2/x/tags/list?last=b&n=2>; rel="next")"), "/v2/x/tags/list?last=b&n=2");
    EXPECT_EQ(next(R"(</a,b;c>; rel=prev, </d>; rel="x next")"), "/d");
    EXPECT_EQ(next(R"(</a>; rel="previous")"), std::nullopt);
    EXPECT_EQ(next("</a; rel=next"), std::nullopt);
    EXPECT_EQ(next(""), std::nullopt);
}

TEST(ContentRanges, Parse) {
    auto range = parse_content_range("bytes 5-9/100");
    ASSERT_TRUE(range);
    EXPECT_EQ(range->range, (store::Range{5, 10}));
    EXPECT_EQ(range->total, 100u);
    EXPECT_EQ(parse_content_range("bytes 0-0/*")->total, 0u);
    for (std::string_view bad : {"", "bytes", "bytes */100", "bytes 9-5/100", "bytes 5-9", "bytes 5-9/9",
                                 "items 0-1/2", "bytes 0-18446744073709551615/*", "bytes -5-9/100"})
        EXPECT_FALSE(parse_content_range(bad)) << bad;
}

TEST(MissingRanges, AreTheHoles) {
    EXPECT_THAT(missing_ranges({}, 10), ElementsAre(store::Range{0, 10}));
    EXPECT_THAT(missing_ranges({{2, 4}, {6, 10}}, 10), ElementsAre(store::Range{0, 2}, store::Range{4, 6}));
    EXPECT_THAT(missing_ranges({{0, 10}}, 10), ElementsAre());
    EXPECT_THAT(missing_ranges({{0, 4}, {12, 14}}, 10), ElementsAre(store::Range{4, 10}));
}

TEST(ResponseErrors, DockersWords) {
    auto text = [](int status, std::string_view body) {
        return std::string(response_error(status, {}, body).what());
    };
    EXPECT_EQ(
        text(404,
             R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]})"),
        "manifest unknown: manifest unknown");
    EXPECT_EQ(text(429, R"({"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]})"),
              "toomanyrequests: slow down");
    EXPECT_EQ(text(502, "<html>"), "received unexpected HTTP status: 502 Bad Gateway");
    EXPECT_EQ(text(401, ""), "unauthorized: authentication required");
    EXPECT_EQ(text(401, R"({"details":"incorrect username or password"})"),
              "unauthorized: incorrect username or password");
    EXPECT_EQ(text(400, "{\"errors\":[{\"code\":\"A\\u001b[0m\",\"message\":\"x\\ny\"}]}"), "a [0m: x y");
    Challenge scope{"bearer", {{"error", "insufficient_scope"}}};
    EXPECT_TRUE(response_error(401, {scope}, "").is_denied());
}

class EndpointsTest : public ::testing::Test {
  protected:
    ClientConfig config;
};

TEST_F(EndpointsTest, MirrorsComeFirstForTheHubAndForPullsOnly) {
    config.mirrors = {"http://10.0.0.1:5000/", "https://mirror.example/prefix"};
    Endpoints endpoints(config);
    auto found = endpoints.find("docker.io", Endpoints::Purpose::pull);
    ASSERT_EQ(found.size(), 3u);
    EXPECT_EQ(found[0].url("x").text(), "http://10.0.0.1:5000/v2/x");
    EXPECT_EQ(found[1].url("x").text(), "https://mirror.example/prefix/v2/x");
    EXPECT_EQ(found[2].url("").text(), "https://registry-1.docker.io/v2/");
    EXPECT_EQ(found[2].credentials_of, "docker.io");
    EXPECT_EQ(endpoints.find("docker.io", Endpoints::Purpose::push).size(), 1u);
    EXPECT_EQ(endpoints.find("example.com", Endpoints::Purpose::pull).size(), 1u);
}

TEST_F(EndpointsTest, Insecure) {
    config.insecure_registries = {"plain.example:5000", "10.1.0.0/16", "fd00::/8"};
    Endpoints endpoints(config);
    for (const char* yes : {"localhost", "localhost:5000", "127.8.9.1:80", "[::1]:5000", "::1",
                            "plain.example:5000", "10.1.2.3:5000", "[fd12::1]:80"})
        EXPECT_TRUE(endpoints.is_insecure(yes)) << yes;
    for (const char* no :
         {"plain.example", "10.2.0.1", "example.com", "localhost.example.com", "128.0.0.1", "[fe00::1]:80"})
        EXPECT_FALSE(endpoints.is_insecure(no)) << no;
    config.insecure_registries = {"10.0.0.0/40"};
    EXPECT_THROW(Endpoints{config}, Error);
}

TEST_F(EndpointsTest, NeverDownToPlainHttp) {
    Endpoints endpoints(config);
    auto may = [&](const char* from, const char* to) {
        return endpoints.may_follow(http::Url::parse(from), http::Url::parse(to));
    };
    EXPECT_TRUE(may("https://a.example/", "https://b.example/"));
    EXPECT_FALSE(may("https://a.example/", "http://a.example/"));
    EXPECT_TRUE(may("https://a.example/", "http://localhost/"));
    EXPECT_TRUE(may("http://a.example/", "http://b.example/"));
    EXPECT_FALSE(may("http://a.example/", "ftp://b.example/"));
}

}  // namespace
}  // namespace berth::registry
