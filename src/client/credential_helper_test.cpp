// SPDX-License-Identifier: Apache-2.0
#include "client/credential_helper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/strings.h"
#include "client/credential_fixture.h"
#include "sys/file.h"

namespace berth::client {
namespace {

using spec::Credentials;

class CredentialHelperTest : public CredentialFixture {};

std::string problem_of(auto&& body, ErrorKind kind) {
    try {
        body();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), kind);
        return error.what();
    }
    return "no error";
}

TEST_F(CredentialHelperTest, KeepsCredentials) {
    add_keeping_helper("file");
    CredentialHelper helper("file");
    EXPECT_EQ(helper.get("x.example"), std::nullopt);
    Credentials credentials{.username = "me", .password = "se\"cret"};
    helper.store("x.example", credentials);
    EXPECT_EQ(helper.get("x.example"), credentials);
    EXPECT_EQ(helper.get("y.example"), std::nullopt);
    Credentials token{.identity_token = "t"};
    helper.store("y.example", token);
    EXPECT_EQ(helper.get("y.example"), token);
    EXPECT_THAT(kept("file", "y.example"), testing::HasSubstr(R"("Username":"<token>")"));
    EXPECT_TRUE(helper.erase("x.example"));
    EXPECT_FALSE(helper.erase("x.example"));
    EXPECT_EQ(helper.get("x.example"), std::nullopt);
}

TEST_F(CredentialHelperTest, WhatItSaysElsewhereDoesNotMatter) {
    add_helper("noisy", R"(echo "unlocking" >/dev/null >&2; echo '{"Username":"u","Secret":"p","More":1}')");
    EXPECT_EQ(CredentialHelper("noisy").get("x"), (Credentials{.username = "u", .password = "p"}));
    add_helper("large", R"(head -c 300000 /dev/zero | tr '\0' ' '; echo '{"Username":"u","Secret":"p"}')");
    EXPECT_EQ(CredentialHelper("large").get("x"), (Credentials{.username = "u", .password = "p"}));
}

TEST_F(CredentialHelperTest, SaysWhatIsWrong) {
    EXPECT_EQ(problem_of([] { (void)CredentialHelper("none").get("x"); }, ErrorKind::not_found),
              "error getting credentials - err: exec: \"docker-credential-none\": executable file not found "
              "in $PATH, "
              "out: ``");
    add_helper("bad", "echo it is locked; exit 3");
    EXPECT_EQ(problem_of([] { (void)CredentialHelper("bad").get("x"); }, ErrorKind::unavailable),
              "error getting credentials - err: exit status 3, out: `it is locked`");
    EXPECT_EQ(problem_of([] { CredentialHelper("bad").store("x", {}); }, ErrorKind::unavailable),
              "error storing credentials - err: exit status 3, out: `it is locked`");
    EXPECT_EQ(problem_of([] { CredentialHelper("bad").erase("x"); }, ErrorKind::unavailable),
              "error erasing credentials - err: exit status 3, out: `it is locked`");
    add_helper("garbage", "echo hunter2");
    std::string problem =
        problem_of([] { (void)CredentialHelper("garbage").get("x"); }, ErrorKind::unavailable);
    EXPECT_THAT(problem, testing::HasSubstr("docker-credential-garbage: not valid JSON"));
    EXPECT_THAT(problem, testing::Not(testing::HasSubstr("hunter2")));
    problem_of([] { CredentialHelper("../x"); }, ErrorKind::invalid_argument);
    problem_of([] { CredentialHelper(""); }, ErrorKind::invalid_argument);
}

TEST_F(CredentialHelperTest, EndsWithAllItStartedWhenItTakesTooLong) {
    // The lock is free again once both are dead.
    std::string pipe = path("pipe");
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    add_helper("slow", "exec 3<>" + pipe + "; sleep 1000 & wait");
    EXPECT_EQ(problem_of([] { (void)CredentialHelper("slow", std::chrono::milliseconds(200)).get("x"); },
                         ErrorKind::unavailable),
              "error getting credentials - err: docker-credential-slow did not end within 1 s, out: ``");
    // Without a reader there is nobody left that holds the pipe.
    int fd = -1;
    while ((fd = ::open(pipe.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)) >= 0) ::close(fd);
    EXPECT_EQ(errno, ENXIO);
}

}  // namespace
}  // namespace berth::client
