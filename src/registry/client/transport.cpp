// SPDX-License-Identifier: Apache-2.0
#include "registry/client/transport.h"

#include <algorithm>
#include <random>

#include "base/log.h"
#include "base/strings.h"
#include "registry/client/authorizer.h"
#include "registry/client/client.h"
#include "registry/client/endpoints.h"

namespace berth::registry {

namespace {

constexpr unsigned kMaxRedirects = 10;
constexpr unsigned kMaxSignings = 3;  // without, with a token that has expired, with a new one
constexpr size_t kMaxErrorBody = 64 * 1024;
constexpr std::chrono::milliseconds kMaxWait{60'000};

bool is_transient_status(int status) {
    return status == 408 || status == 429 || (status >= 500 && status != 501 && status != 505);
}

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool same_origin(const http::Url& a, const http::Url& b) {
    return a.scheme == b.scheme && a.host == b.host && a.effective_port() == b.effective_port();
}

std::vector<Challenge> challenges_of(const http::ClientResponse& response) {
    return parse_challenges(response.headers.all("WWW-Authenticate"));
}

/// Nothing where the registry asks for more patience than anybody has.
std::optional<std::chrono::milliseconds> retry_after(const http::ClientResponse& response,
                                                     std::chrono::milliseconds otherwise) {
    auto seconds = parse_number<uint32_t>(trim(response.headers.get("Retry-After")));
    if (!seconds) return otherwise;
    auto asked = std::chrono::milliseconds(uint64_t{*seconds} * 1000);
    if (asked > kMaxWait) return std::nullopt;
    return std::max(asked, otherwise);
}

http::ClientOptions http_options(const ClientConfig& config, const Endpoints& endpoints) {
    http::ClientOptions options;
    options.connect_timeout = config.connect_timeout;
    options.idle_timeout = config.idle_timeout;
    options.proxy = http::ClientOptions::proxy_from_environment();
    options.tls = [&endpoints](const http::Url& url) { return endpoints.tls(url); };
    return options;
}

}  // namespace

bool is_transient(const Error& error) {
    if (auto* response = dynamic_cast<const ResponseError*>(&error))
        return is_transient_status(response->status());
    return error.kind() == ErrorKind::unavailable;
}

async::Task<void> drain(http::ClientResponse& response) {
    if (!response.content_length || *response.content_length > kMaxErrorBody) co_return;
    try {
        co_await response.read_all(kMaxErrorBody);
    } catch (const Error& error) {
        log::debug("rest of a response: {}", error.what());
    }
}

Transport::Transport(async::Context& context, const ClientConfig& config, const Endpoints& endpoints)
    : context_(context),
      config_(config),
      endpoints_(endpoints),
      http_(context, http_options(config, endpoints)) {}

Transport::~Transport() = default;

unsigned Transport::max_attempts() const {
    return std::max(config_.max_attempts, 1u);
}

std::chrono::milliseconds Transport::back_off(unsigned attempt) {
    // The whole delay is drawn, from half of it: many who failed at once must not come back at once.
    static thread_local std::minstd_rand random{std::random_device{}()};
    auto whole =
        std::min<int64_t>(config_.retry_delay.count() << std::min(attempt - 1, 16u), kMaxWait.count() / 2);
    return std::chrono::milliseconds(std::uniform_int_distribution<int64_t>(whole / 2, whole)(random));
}

async::Task<Answer> Transport::send(Call call) {
    unsigned attempts = call.request.body.produce ? 1 : std::max(call.attempts, 1u);
    unsigned silent = call.silent_attempts == 0 ? attempts : call.silent_attempts;
    for (unsigned attempt = 1;; ++attempt) {
        Answer answer;
        std::string why;
        auto wait = back_off(attempt);
        try {
            answer = co_await send_signed(call);
            if (attempt >= attempts || !is_transient_status(answer.status())) co_return answer;
            why = fmt::format("{} {}", answer.status(), http::reason_phrase(answer.status()));
        } catch (const Error& error) {
            if (attempt >= std::min(attempts, silent) || !is_transient(error)) throw;
            why = error.what();
        }
        if (answer.response) {
            auto asked = retry_after(*answer.response, wait);
            if (!asked) co_return answer;
            wait = *asked;
            co_await drain(*answer.response);
            answer.response.reset();
        }
        log::info("{} {}: {}; again in {} ms", call.request.method, call.request.url.text(), why,
                  wait.count());
        if (call.retrying) call.retrying(why, wait);
        co_await async::sleep_for(wait);
    }
}

async::Task<bool> Transport::speaks_plain(Endpoint endpoint) {
    std::string authority = endpoint.base.authority();
    auto known = plain_.find(authority);
    if (known != plain_.end()) co_return known->second;
    http::ClientRequest request;
    request.url = endpoint.url("");
    bool plain = false;
    try {
        auto response = co_await http_.send(std::move(request));
        co_await drain(*response);
    } catch (const Error& error) {
        log::info("{}: {}; HTTP is tried", endpoint.url("").text(), error.what());
        plain = true;
    }
    // A host that could not be reached at all may speak HTTPS the next time: only what answered is
    // remembered.
    if (!plain) plain_[authority] = plain;
    if (plain) {
        http::ClientRequest again;
        again.url = endpoint.url("");
        again.url.scheme = "http";
        auto response = co_await http_.send(std::move(again));
        co_await drain(*response);
        plain_[authority] = true;
    }
    co_return plain;
}

async::Task<Answer> Transport::send_signed(Call& call) {
    for (unsigned round = 1;; ++round) {
        std::optional<std::string> authorization;
        if (call.authorizer) authorization = call.authorizer->authorization(call.scope);
        Answer answer = co_await follow(call, authorization);
        if (answer.status() != 401 || !call.authorizer || round >= kMaxSignings) co_return answer;
        // A host that we were sent to asks for itself; our credentials are none of its business.
        if (!same_origin(answer.url, call.request.url)) co_return answer;
        std::vector<Challenge> challenges = challenges_of(*answer.response);
        if (challenges.empty() || call.request.body.produce) co_return answer;
        bool renewed =
            co_await call.authorizer->renew(std::move(challenges), call.scope, std::move(authorization));
        if (!renewed) co_return answer;
        co_await drain(*answer.response);
    }
}

async::Task<Answer> Transport::follow(Call& call, const std::optional<std::string>& authorization) {
    http::Url url = call.request.url;
    bool reading = call.request.method == "GET" || call.request.method == "HEAD";
    for (unsigned redirects = 0;; ++redirects) {
        http::ClientRequest request = call.request;
        request.url = url;
        if (!same_origin(url, call.request.url))
            request.headers.remove("Authorization");
        else if (authorization)
            request.headers.set("Authorization", *authorization);
        Answer answer;
        answer.response = co_await http_.send(std::move(request));
        answer.url = url;
        int status = answer.status();
        std::string location(answer.response->headers.get("Location"));
        bool follows = is_redirect(status) && !location.empty() &&
                       (reading || ((status == 307 || status == 308) && !call.request.body.produce));
        if (!follows) co_return answer;
        if (redirects >= kMaxRedirects)
            throw make_error(ErrorKind::invalid_argument, "{} {}: stopped after {} redirects",
                             call.request.method, call.request.url.text(), kMaxRedirects);
        http::Url next = url.resolve(location);
        if (!endpoints_.may_follow(url, next))
            throw make_error(ErrorKind::forbidden, "{} {}: redirected to {}, which is not encrypted",
                             call.request.method, call.request.url.text(), next.text());
        co_await drain(*answer.response);
        url = std::move(next);
    }
}

async::Task<void> Transport::check(Answer& answer) {
    int status = answer.status();
    if (status >= 200 && status < 300) co_return;
    std::string body;
    try {
        body = co_await answer.response->read_all(kMaxErrorBody);
    } catch (const Error& error) {
        log::debug("body of status {}: {}", status, error.what());
    }
    throw response_error(status, challenges_of(*answer.response), body);
}

}  // namespace berth::registry
