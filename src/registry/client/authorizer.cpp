// SPDX-License-Identifier: Apache-2.0
#include "registry/client/authorizer.h"

#include <boost/describe/class.hpp>

#include <algorithm>

#include "base/json.h"
#include "base/strings.h"
#include "registry/client/endpoints.h"
#include "registry/client/transport.h"

namespace berth::registry {

namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr size_t kMaxTokenBody = 1 << 20;
constexpr std::string_view kClientId = "berth";

struct TokenBody {
    std::string token, access_token, refresh_token;
    double expires_in = 0;
};
BOOST_DESCRIBE_STRUCT(TokenBody, (), (token, access_token, refresh_token, expires_in))

std::string base64(std::string_view text) {
    static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string result;
    for (size_t i = 0; i < text.size(); i += 3) {
        uint32_t group = 0;
        size_t count = std::min<size_t>(3, text.size() - i);
        for (size_t k = 0; k < 3; ++k)
            group = group << 8 | (k < count ? static_cast<unsigned char>(text[i + k]) : 0u);
        for (size_t k = 0; k < 4; ++k) result += k <= count ? kDigits[group >> (18 - 6 * k) & 63] : '=';
    }
    return result;
}

class Form {
  public:
    void add(std::string_view name, std::string_view value) {
        if (!text_.empty()) text_ += '&';
        text_ += http::percent_encode(name) + '=' + http::percent_encode(value);
    }
    const std::string& text() const { return text_; }

  private:
    std::string text_;
};

void add_scopes(Form& form, const std::string& scopes) {
    for (std::string_view scope : split_fields(scopes)) form.add("scope", scope);
}

http::ClientRequest token_request(http::Url realm, const Challenge& challenge, const std::string& scopes,
                                  const std::optional<spec::Credentials>& credentials, bool offline) {
    http::ClientRequest request;
    Form form;
    std::string_view service = challenge.get("service");
    if (!service.empty()) form.add("service", service);
    if (credentials && !credentials->identity_token.empty()) {
        // One `scope` with blanks between: RFC 6749, 3.3.
        if (!scopes.empty()) form.add("scope", scopes);
        form.add("grant_type", "refresh_token");
        form.add("refresh_token", credentials->identity_token);
        form.add("client_id", kClientId);
        request.method = "POST";
        request.headers.set("Content-Type", "application/x-www-form-urlencoded");
        request.body.text = form.text();
    } else {
        add_scopes(form, scopes);
        if (offline) {
            form.add("offline_token", "true");
            form.add("client_id", kClientId);
        }
        if (credentials && !credentials->username.empty()) {
            form.add("account", credentials->username);
            request.headers.set("Authorization", basic_authorization(*credentials));
        }
        if (!form.text().empty())
            realm.target += (realm.target.find('?') == std::string::npos ? '?' : '&') + form.text();
    }
    request.url = std::move(realm);
    return request;
}

/// Bearer first: a registry that offers both means Basic for its token server.
const Challenge* choose(const std::vector<Challenge>& challenges) {
    for (std::string_view scheme : {"bearer", "basic"})
        for (const Challenge& challenge : challenges)
            if (challenge.scheme == scheme && (scheme == "basic" || !challenge.get("realm").empty()))
                return &challenge;
    return nullptr;
}

}  // namespace

std::string basic_authorization(const spec::Credentials& credentials) {
    return "Basic " + base64(credentials.username + ':' + credentials.password);
}

async::Task<Token> fetch_token(Transport& transport, http::Url registry, Challenge challenge,
                               std::string scopes, std::optional<spec::Credentials> credentials,
                               bool offline) {
    std::string realm_text(challenge.get("realm"));
    http::Url realm = registry.resolve(realm_text);
    if (!transport.endpoints().may_follow(registry, realm))
        throw make_error(ErrorKind::forbidden, "token realm {} of {} is not encrypted", realm.text(),
                         registry.text());
    std::string where = fmt::format("token server {}", realm.authority());
    Call call;
    call.request = token_request(std::move(realm), challenge, scopes, credentials, offline);
    call.attempts = transport.max_attempts();
    Answer answer = co_await transport.send(std::move(call));
    if (answer.status() == 401 && credentials)
        throw ResponseError(401, "UNAUTHORIZED", ErrorKind::unauthorized,
                            "unauthorized: incorrect username or password");
    co_await transport.check(answer);
    std::string body = co_await answer.response->read_all(kMaxTokenBody);
    TokenBody parsed = with_context(where, [&] { return json::decode_text<TokenBody>(body); });
    Token token;
    token.bearer = !parsed.token.empty() ? parsed.token : parsed.access_token;
    token.refresh = parsed.refresh_token;
    if (token.bearer.empty() && !(offline && !token.refresh.empty()))
        throw make_error(ErrorKind::unauthorized,
                         "{}: authorization server did not include a token in the response", where);
    // The specification's default and least is 60 s. A part of it is the way here.
    double lifetime = std::clamp(parsed.expires_in, 60.0, 86'400.0);
    token.expires = steady_clock::now() + seconds(static_cast<int64_t>(lifetime * 0.9));
    co_return token;
}

Authorizer::Authorizer(Transport& transport, http::Url registry, std::string host, Lookup lookup)
    : transport_(transport),
      registry_(std::move(registry)),
      host_(std::move(host)),
      lookup_(std::move(lookup)),
      renewing_(transport.context(), 1) {}

Authorizer::~Authorizer() = default;

std::optional<std::string> Authorizer::authorization(const std::string& scope) const {
    if (basic_) return basic_;
    auto found = tokens_.find(scope);
    if (found == tokens_.end() || found->second.expires <= steady_clock::now()) return std::nullopt;
    return "Bearer " + found->second.bearer;
}

async::Task<std::optional<spec::Credentials>> Authorizer::credentials() {
    if (!looked_up_ && lookup_) {
        // A credential helper is a program that is waited for.
        std::function<std::optional<spec::Credentials>()> ask = [lookup = lookup_, host = host_] {
            return lookup(host);
        };
        credentials_ = co_await async::run_blocking(std::move(ask));
    }
    looked_up_ = true;
    co_return credentials_;
}

async::Task<bool> Authorizer::renew(std::vector<Challenge> challenges, std::string scope,
                                    std::optional<std::string> used) {
    async::Semaphore::Permit permit = co_await renewing_.acquire();
    std::optional<std::string> present = authorization(scope);
    if (present && present != used) co_return true;  // another request was faster
    const Challenge* chosen = choose(challenges);
    if (!chosen) co_return false;
    std::optional<spec::Credentials> known = co_await credentials();
    if (chosen->scheme == "basic") {
        if (!known || known->username.empty())
            throw Error(ErrorKind::unauthorized, "no basic auth credentials");
        std::string value = basic_authorization(*known);
        if (used == value) co_return false;
        basic_ = std::move(value);
        co_return true;
    }
    // With a token that does not allow enough a new one would be no better.
    if (used && chosen->get("error") == "insufficient_scope") co_return false;
    if (known && !known->registry_token.empty()) {
        if (used) co_return false;
        tokens_[scope] = Token{known->registry_token, "", steady_clock::now() + std::chrono::hours(24)};
        co_return true;
    }
    std::string wanted = scope.empty() ? std::string(chosen->get("scope")) : scope;
    Challenge challenge = *chosen;
    Token token = co_await fetch_token(transport_, registry_, std::move(challenge), std::move(wanted),
                                       std::move(known), false);
    // A cache asks for as many scopes as its clients name repositories.
    std::erase_if(tokens_, [](const auto& entry) { return entry.second.expires <= steady_clock::now(); });
    tokens_[scope] = std::move(token);
    co_return true;
}

}  // namespace berth::registry
