// SPDX-License-Identifier: Apache-2.0
#include "base/digest.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"

namespace berth {
namespace {

constexpr std::string_view kEmpty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr std::string_view kAbc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr std::string_view kAbc512 =
    "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
    "454d4423643ce80e2a9ac94fa54ca49f";

std::string problem_of(std::string_view text) {
    try {
        Digest::parse(text);
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        EXPECT_EQ(Digest::try_parse(text), std::nullopt);
        return error.what();
    }
    return "accepted";
}

TEST(Digest, KnownAnswers) {
    EXPECT_EQ(Digest::of("").text(), kEmpty);
    EXPECT_EQ(Digest::of("abc").text(), kAbc);
    Hasher hasher("sha512");
    hasher.update("a");
    hasher.update(std::as_bytes(std::span(std::string_view("bc"))));
    EXPECT_EQ(hasher.finish().text(), kAbc512);
}

TEST(Digest, AHasherStartsAnew) {
    Hasher hasher;
    hasher.update("something else");
    hasher.finish();
    EXPECT_EQ(hasher.finish().text(), kEmpty);
    Hasher moved = std::move(hasher);
    moved.update("abc");
    EXPECT_EQ(moved.finish().text(), kAbc);
}

TEST(Digest, Parts) {
    Digest digest = Digest::parse(kAbc);
    EXPECT_EQ(digest.algorithm(), "sha256");
    EXPECT_EQ(digest.hex(), kAbc.substr(7));
    EXPECT_EQ(digest.short_hex(), "ba7816bf8f01");
    EXPECT_FALSE(digest.empty());
    EXPECT_EQ(Digest::parse(kAbc512).algorithm(), "sha512");

    Digest none;
    EXPECT_TRUE(none.empty());
    EXPECT_EQ(none.algorithm(), "");
    EXPECT_EQ(none.short_hex(), "");
}

TEST(Digest, SaysWhatIsWrong) {
    std::string hex(kAbc.substr(7));
    EXPECT_EQ(problem_of(""), R"(invalid digest "": invalid checksum digest format)");
    EXPECT_EQ(problem_of("sha256"), R"(invalid digest "sha256": invalid checksum digest format)");
    EXPECT_EQ(problem_of("sha256:"), R"(invalid digest "sha256:": invalid checksum digest format)");
    EXPECT_EQ(problem_of(":ab"), R"(invalid digest ":ab": invalid checksum digest format)");
    EXPECT_EQ(problem_of("sha256:abc"), R"(invalid digest "sha256:abc": invalid checksum digest length)");
    EXPECT_EQ(problem_of("md5:abc"), R"(invalid digest "md5:abc": unsupported digest algorithm)");
    EXPECT_TRUE(problem_of("SHA256:" + hex).ends_with("format"));
    EXPECT_TRUE(problem_of("sha256:B" + hex.substr(1)).ends_with("format"));
    EXPECT_TRUE(problem_of("sha256:../" + hex.substr(3)).ends_with("format"));
    EXPECT_TRUE(problem_of("sha512:" + hex).ends_with("length"));
    EXPECT_TRUE(problem_of("sha256:" + hex + " ").ends_with("length"));
    EXPECT_THROW(Hasher("md5"), Error);
}

struct Holder {
    Digest one;
    std::vector<Digest> many;
    int count = 0;
};
BOOST_DESCRIBE_STRUCT(Holder, (), (one, many, count))
constexpr std::string_view json_key(const Holder*, std::string_view member) {
    return member == "count" ? "the.count" : member;
}

TEST(Digest, IsAStringInJson) {
    std::string text =
        R"({"one":")" + std::string(kAbc) + R"(","many":[")" + std::string(kEmpty) + R"("],"the.count":3})";
    auto holder = json::decode_text<Holder>(text);
    EXPECT_EQ(holder.one.text(), kAbc);
    EXPECT_EQ(holder.count, 3);
    EXPECT_EQ(json::print(json::encode(holder)), text);
    EXPECT_EQ(json::print(json::encode(Holder())), R"({"the.count":0})");
    EXPECT_EQ(json::print(json::encode(Holder(), json::Omit::nothing)),
              R"({"one":"","many":[],"the.count":0})");
    EXPECT_TRUE(json::decode_text<Holder>(R"({"one":""})").one.empty());
    try {
        json::decode_text<Holder>(R"({"many":["sha256:0"]})");
        FAIL();
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), R"(many[0]: invalid digest "sha256:0": invalid checksum digest length)");
    }
}

}  // namespace
}  // namespace berth
