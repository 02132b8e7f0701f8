// SPDX-License-Identifier: Apache-2.0
#include "registry/server/htpasswd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "registry/server/authenticator.h"

namespace berth::registry::server {

namespace {

// htpasswd -nbBC 4 alice wonderland
constexpr const char* kAlice = "alice:$2y$04$QABwSv6ZsjpPj8jwwPrc.OUrA9TBH7UQP7BU1rhVSQO/4hzWDi2I6";

std::string problem(const std::string& text) {
    try {
        Htpasswd::parse(text, "users");
    } catch (const Error& error) {
        return error.what();
    }
    return "none";
}

TEST(Htpasswd, VerifiesBcrypt) {
    Htpasswd users = Htpasswd::parse(std::string("# people\n\n") + kAlice + "\r\n", "users");
    EXPECT_TRUE(users.verify("alice", "wonderland"));
    EXPECT_FALSE(users.verify("alice", "Wonderland"));
    EXPECT_FALSE(users.verify("alice", ""));
    EXPECT_FALSE(users.verify("bob", "wonderland"));
    EXPECT_FALSE(users.verify("", ""));
}

TEST(Htpasswd, NamesTheLineThatIsWrong) {
    EXPECT_EQ(problem(std::string(kAlice) + "\nnonsense\n"), "users: line 2: expected user:hash");
    EXPECT_THAT(problem("bob:$apr1$x$y"),
                testing::HasSubstr("line 1: the password of \"bob\" is not hashed with bcrypt"));
    EXPECT_THAT(problem("bob:plain"), testing::HasSubstr("htpasswd -B"));
    EXPECT_THAT(problem(std::string(kAlice) + "\n" + kAlice),
                testing::HasSubstr("line 2: the user \"alice\" is there twice"));
    EXPECT_EQ(problem(":x"), "users: line 1: expected user:hash");
}

TEST(KeyedHash, DependsOnKeyAndText) {
    EXPECT_EQ(keyed_hash("k", "t"), keyed_hash("k", "t"));
    EXPECT_NE(keyed_hash("k", "t"), keyed_hash("k", "u"));
    EXPECT_NE(keyed_hash("k", "t"), keyed_hash("l", "t"));
    EXPECT_EQ(keyed_hash(std::string(100, 'k'), "t").size(), 64u);
    EXPECT_TRUE(equal_secrets("abc", "abc"));
    EXPECT_FALSE(equal_secrets("abc", "abd"));
    EXPECT_FALSE(equal_secrets("abc", "ab"));
}

TEST(Base64, DecodesWhatClientsSend) {
    EXPECT_EQ(decode_base64("YWxpY2U6d29uZGVybGFuZA=="), "alice:wonderland");
    EXPECT_EQ(decode_base64("Og=="), ":");
    EXPECT_EQ(decode_base64(""), "");
    EXPECT_FALSE(decode_base64("Og="));
    EXPECT_FALSE(decode_base64("=="));
    EXPECT_FALSE(decode_base64("O-=="));
}

}  // namespace

}  // namespace berth::registry::server
