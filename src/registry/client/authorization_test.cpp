// SPDX-License-Identifier: Apache-2.0
// Passwords and tokens.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/client/registry_fixture.h"

namespace berth::registry::test {
namespace {

using ::testing::HasSubstr;

/// Tokens t1, t2 …; each is good for `uses` requests.
struct TokenServer {
    FakeRegistry& registry;
    int made = 0, uses = 1000, left = 0;
    std::string last_query = {}, last_authorization = {}, last_body = {};

    async::Task<bool> operator()(http::Request& request, http::Response& response) {
        if (request.path == "/token") {
            last_query = request.target;
            last_authorization = request.headers.get("Authorization");
            last_body = co_await request.read_all(1 << 16);
            left = uses;
            std::string body = fmt::format(R"({{"token":"t{}","expires_in":300}})", ++made);
            co_await response.send(std::move(body));
            co_return true;
        }
        if (made > 0 && left > 0 &&
            request.headers.get("Authorization") == "Bearer t" + std::to_string(made)) {
            --left;
            co_return false;
        }
        response.status = 401;
        response.headers.set("WWW-Authenticate",
                             fmt::format(R"(Bearer realm="{}/token",service="s v",scope="repository:x:pull")",
                                         registry.url()));
        co_await response.send();
        co_return true;
    }
};

TEST_F(RegistryClient, TokenIsFetchedOnceForAScope) {
    registry.add(image, "x", "latest");
    TokenServer tokens{registry};
    registry.intercept = std::ref(tokens);
    world.pull(registry.name("x"));
    EXPECT_EQ(tokens.made, 1);
    EXPECT_THAT(tokens.last_query, HasSubstr("service=s%20v"));
    EXPECT_THAT(tokens.last_query, HasSubstr("scope=repository%3Ax%3Apull"));
    EXPECT_EQ(tokens.last_authorization, "");
}

TEST_F(RegistryClient, TokenThatExpiresInTheMiddleIsRenewed) {
    registry.add(image, "x", "latest");
    TokenServer tokens{registry};
    tokens.uses = 2;
    registry.intercept = std::ref(tokens);
    world.pull(registry.name("x"));
    EXPECT_GE(tokens.made, 2);
    EXPECT_EQ(world.store().list({}).size(), 1u);
}

TEST_F(RegistryClient, IdentityTokenIsExchanged) {
    registry.add(image, "x", "latest");
    TokenServer tokens{registry};
    registry.intercept = std::ref(tokens);
    spec::Credentials credentials;
    credentials.identity_token = "refresh me";
    world.pull(registry.name("x"), credentials);
    EXPECT_THAT(tokens.last_body, HasSubstr("grant_type=refresh_token"));
    EXPECT_THAT(tokens.last_body, HasSubstr("refresh_token=refresh%20me"));
}

TEST_F(RegistryClient, TokensThatAreNeverGoodEnoughEndTheLoop) {
    registry.add(image, "x", "latest");
    TokenServer tokens{registry};
    tokens.uses = 0;
    registry.intercept = std::ref(tokens);
    EXPECT_THAT(failure(registry.name("x")), HasSubstr("unauthorized: authentication required"));
    EXPECT_LE(tokens.made, 3);
    expect_nothing_left();
}

TEST_F(RegistryClient, InsufficientScopeIsAccessDenied) {
    registry.intercept = [](http::Request&, http::Response& response) -> async::Task<bool> {
        response.status = 401;
        response.headers.set("WWW-Authenticate",
                             R"(Bearer realm="http://127.0.0.1:1/none",error="insufficient_scope")");
        co_await response.send();
        co_return true;
    };
    spec::Credentials credentials;
    credentials.registry_token = "given";
    EXPECT_THAT(failure(registry.name("x"), credentials), HasSubstr("pull access denied for"));
}

TEST_F(RegistryClient, PasswordsAreNeededAndMayBeWrong) {
    registry.intercept = [](http::Request&, http::Response& response) -> async::Task<bool> {
        response.status = 401;
        response.headers.set("WWW-Authenticate", "Basic realm=x");
        co_await response.send();
        co_return true;
    };
    EXPECT_THAT(failure(registry.name("x")), HasSubstr("no basic auth credentials"));
    spec::Credentials credentials;
    credentials.username = "u";
    EXPECT_THAT(failure(registry.name("x"), credentials), HasSubstr("unauthorized"));
    std::string said;
    try {
        world.context.block_on(world.client().login(registry.authority(), credentials));
    } catch (const Error& error) {
        said = error.what();
    }
    EXPECT_EQ(said, "login attempt to " + registry.url() + "/v2/ failed with status: 401 Unauthorized");
}

TEST_F(RegistryClient, LoginGivesAnIdentityToken) {
    registry.intercept = [this](http::Request& request, http::Response& response) -> async::Task<bool> {
        if (request.path == "/token") {
            EXPECT_EQ(request.query.get("offline_token"), "true");
            EXPECT_EQ(request.query.get("account"), "u");
            bool right = request.headers.get("Authorization") == "Basic dTpw";
            response.status = right ? 200 : 401;
            co_await response.send(R"({"token":"t","refresh_token":"identity"})");
            co_return true;
        }
        response.status = 401;
        response.headers.set("WWW-Authenticate",
                             fmt::format(R"(Bearer realm="{}/token",service="s")", registry.url()));
        co_await response.send();
        co_return true;
    };
    spec::Credentials credentials;
    credentials.username = "u";
    credentials.password = "p";
    EXPECT_EQ(world.context.block_on(world.client().login(registry.authority(), credentials)), "identity");
    credentials.password = "wrong";
    try {
        world.context.block_on(world.client().login(registry.authority(), credentials));
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(std::string(error.what()),
                  "Get \"" + registry.url() + "/v2/\": unauthorized: incorrect username or password");
        EXPECT_EQ(error.kind(), ErrorKind::unauthorized);
    }
}

}  // namespace
}  // namespace berth::registry::test
