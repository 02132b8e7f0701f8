// SPDX-License-Identifier: Apache-2.0
#include "spec/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "base/error.h"

namespace berth::spec {
namespace {

TEST(RegistryAuth, RoundTrips) {
    for (const Credentials& credentials :
         {Credentials{}, Credentials{.username = "u", .password = "p\xc3\xa9?>~"},
          Credentials{.username = "u", .identity_token = "t"}, Credentials{.registry_token = "r"}})
        EXPECT_EQ(decode_registry_auth(encode_registry_auth(credentials)), credentials);
    EXPECT_EQ(decode_base64(encode_registry_auth({.username = "u", .password = "p"}, "localhost:5000")),
              R"({"username":"u","password":"p","serveraddress":"localhost:5000"})");
}

TEST(RegistryAuth, TakesWhatClientsSend) {
    EXPECT_TRUE(decode_registry_auth("").empty());
    EXPECT_TRUE(decode_registry_auth("e30=").empty());
    EXPECT_TRUE(decode_registry_auth("e30").empty());
    std::string pair = encode_base64("me:se:cret");
    Credentials credentials =
        decode_registry_auth(encode_base64(R"({"auth":")" + pair + R"("})", Base64::url));
    EXPECT_EQ(credentials.username, "me");
    EXPECT_EQ(credentials.password, "se:cret");
}

TEST(RegistryAuth, RefusesWithoutTellingThePassword) {
    for (const std::string& header :
         {std::string("!"), encode_base64("hunter2"), encode_base64("[\"hunter2\"]"),
          encode_base64(R"({"auth":"aHVudGVyMg=="})"), encode_base64(R"({"username":["hunter2"]})")}) {
        try {
            decode_registry_auth(header);
            ADD_FAILURE() << header;
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
            EXPECT_THAT(error.what(), testing::StartsWith("invalid X-Registry-Auth header: "));
            EXPECT_THAT(error.what(), testing::Not(testing::HasSubstr("hunter2")));
        }
    }
}

}  // namespace
}  // namespace berth::spec
