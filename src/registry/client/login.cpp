// SPDX-License-Identifier: Apache-2.0
#include "registry/client/login.h"

#include "base/error.h"
#include "registry/client/repository.h"

namespace berth::registry {

namespace {

async::Task<std::string> login_at(Transport& transport, Endpoint endpoint, spec::Credentials credentials) {
    http::Url url = endpoint.url("");
    Call ask;
    ask.request.url = url;
    ask.attempts = 2;
    Answer answer = co_await transport.send(std::move(ask));
    std::vector<Challenge> challenges = parse_challenges(answer.response->headers.all("WWW-Authenticate"));
    if (answer.status() != 401) {  // a registry that wants no password
        co_await transport.check(answer);
        co_return std::string();
    }
    co_await drain(*answer.response);
    for (const Challenge& challenge : challenges) {
        if (challenge.scheme != "bearer") continue;
        Challenge chosen = challenge;
        std::string scope(chosen.get("scope"));
        Token token = co_await fetch_token(transport, url, std::move(chosen), std::move(scope),
                                           std::move(credentials), true);
        co_return token.refresh;
    }
    for (const Challenge& challenge : challenges) {
        if (challenge.scheme != "basic") continue;
        Call again;
        again.request.url = url;
        again.request.headers.set("Authorization", basic_authorization(credentials));
        Answer told = co_await transport.send(std::move(again));
        if (told.status() >= 200 && told.status() < 300) co_return std::string();
        ErrorKind kind = told.status() == 401 ? ErrorKind::unauthorized : ErrorKind::unavailable;
        throw make_error(kind, "login attempt to {} failed with status: {} {}", url.text(), told.status(),
                         http::reason_phrase(told.status()));
    }
    throw make_error(ErrorKind::not_implemented, "{} offers no way to log in that is known here", url.text());
}

}  // namespace

async::Task<std::string> login_to(Transport& transport, std::string host, spec::Credentials credentials) {
    std::vector<Endpoint> found = transport.endpoints().find(host, Endpoints::Purpose::push);
    Endpoint endpoint = found.front();
    if (endpoint.plain_too) {
        bool plain = co_await transport.speaks_plain(endpoint);
        if (plain) endpoint.base.scheme = "http";
    }
    std::string url = endpoint.url("").text();
    try {
        std::string token = co_await login_at(transport, std::move(endpoint), std::move(credentials));
        co_return token;
    } catch (const ResponseError& error) {
        throw make_error(error.kind(), "Get \"{}\": {}", url, error.what());
    }
}

}  // namespace berth::registry
