// SPDX-License-Identifier: Apache-2.0
#include "registry/server/authenticator.h"

#include "base/json.h"
#include "base/strings.h"
#include "registry/server/api_error.h"

namespace berth::registry::server {

namespace {

constexpr std::chrono::minutes kVerifiedFor{1};
constexpr std::chrono::seconds kTokenLife{300};
constexpr size_t kMostVerified = 10'000;
constexpr std::string_view kService = "berth-registry";

bool is_read(std::string_view method) {
    return method == "GET" || method == "HEAD";
}

/// The value after a scheme's name, which compares without case (RFC 9110, 11.1).
std::optional<std::string_view> after_scheme(std::string_view field, std::string_view scheme) {
    if (field.size() <= scheme.size() || field[scheme.size()] != ' ') return std::nullopt;
    for (size_t i = 0; i < scheme.size(); ++i)
        if ((field[i] | 0x20) != scheme[i]) return std::nullopt;
    return trim(field.substr(scheme.size()));
}

int64_t unix_time() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

/// What may stand in a Host field, so that it can be quoted in ours.
bool is_host(std::string_view text) {
    if (text.empty() || text.size() > 300) return false;
    for (char c : text)
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              std::string_view(".-_:[]").find(c) != std::string_view::npos))
            return false;
    return true;
}

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
    constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (text.size() % 4 != 0) return std::nullopt;
    size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    std::string bytes;
    unsigned held = 0, bits = 0;
    for (char c : text.substr(0, text.size() - padding)) {
        size_t value = kDigits.find(c);
        if (value == std::string_view::npos) return std::nullopt;
        held = held << 6 | static_cast<unsigned>(value);
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        bytes += static_cast<char>(held >> bits & 0xff);
    }
    return bytes;
}

Authenticator::Authenticator(async::Context& context, const std::string& htpasswd_file, bool anonymous_pull,
                             bool tls)
    : file_(htpasswd_file),
      anonymous_pull_(anonymous_pull),
      tls_(tls),
      secret_(random_hex(32)),
      verifications_(context, 2) {}

std::optional<Authenticator::Credentials> Authenticator::basic_credentials(std::string_view authorization) {
    auto encoded = after_scheme(authorization, "basic");
    if (!encoded) return std::nullopt;
    auto text = decode_base64(*encoded);
    if (!text) return std::nullopt;
    size_t colon = text->find(':');
    if (colon == std::string::npos || text->find('\0') != std::string::npos) return std::nullopt;
    return Credentials{text->substr(0, colon), text->substr(colon + 1)};
}

async::Task<bool> Authenticator::check(Credentials credentials) {
    std::shared_ptr<const Htpasswd> users = file_.current();
    std::string text =
        credentials.user + '\0' + std::string(users->hash(credentials.user)) + '\0' + credentials.password;
    std::string key = keyed_hash(secret_, text);
    auto known = verified_.find(key);
    auto now = std::chrono::steady_clock::now();
    if (known != verified_.end() && known->second > now) co_return true;
    async::Semaphore::Permit permit = co_await verifications_.acquire();
    auto verify = [users, credentials] { return users->verify(credentials.user, credentials.password); };
    if (!co_await async::run_blocking(std::move(verify))) co_return false;
    now = std::chrono::steady_clock::now();
    if (verified_.size() >= kMostVerified)
        std::erase_if(verified_, [&](const auto& entry) { return entry.second <= now; });
    if (verified_.size() < kMostVerified) verified_[key] = now + kVerifiedFor;
    co_return true;
}

std::string Authenticator::make_token(std::string_view user) const {
    std::string claims = fmt::format("{}.{}", unix_time() + kTokenLife.count(), http::percent_encode(user));
    return keyed_hash(secret_, claims) + '.' + claims;
}

std::optional<std::string> Authenticator::token_user(std::string_view token) const {
    size_t dot = token.find('.');
    if (dot == std::string_view::npos) return std::nullopt;
    std::string_view claims = token.substr(dot + 1);
    if (!equal_secrets(token.substr(0, dot), keyed_hash(secret_, claims))) return std::nullopt;
    dot = claims.find('.');
    auto end = parse_number<int64_t>(claims.substr(0, dot));
    if (!end || *end < unix_time()) return std::nullopt;
    return http::percent_decode(claims.substr(dot + 1));
}

std::string Authenticator::challenge(const http::Request& request, const Route& route) const {
    std::string_view host = request.headers.get("Host");
    if (!anonymous_pull_ || !is_host(host)) return fmt::format("Basic realm=\"{}\"", kService);
    bool tls = tls_ || request.headers.get("X-Forwarded-Proto") == "https";
    std::string text =
        fmt::format("Bearer realm=\"{}://{}/token\",service=\"{}\"", tls ? "https" : "http", host, kService);
    if (!route.repository.empty())
        text += fmt::format(",scope=\"repository:{}:{}\"", http::percent_encode(route.repository, "/"),
                            is_read(request.method) ? "pull" : "pull,push");
    return text;
}

async::Task<std::string> Authenticator::authorize(const http::Request& request, const Route& route) {
    std::string_view field = request.headers.get("Authorization");
    std::optional<std::string> user;
    if (auto token = after_scheme(field, "bearer"); token && anonymous_pull_) {
        user = token_user(*token);
    } else if (auto credentials = basic_credentials(field)) {
        std::string name = credentials->user;
        // Clients that have none send empty ones.
        if (name.empty() && credentials->password.empty()) {
            user = "";
        } else {
            bool valid = co_await check(std::move(*credentials));
            if (valid) user = name;
        }
    } else if (field.empty() && route.kind != RouteKind::base) {
        // The base endpoint is what clients ask first to learn how to log in.
        user = "";
    }
    bool may_read_anonymously = anonymous_pull_ && is_read(request.method);
    if (user && (!user->empty() || may_read_anonymously)) co_return *user;
    throw ApiError(401, "UNAUTHORIZED", "authentication required")
        .with_header("WWW-Authenticate", challenge(request, route));
}

async::Task<std::string> Authenticator::issue_token(const http::Request& request) {
    std::string user;
    if (std::string_view field = request.headers.get("Authorization"); !field.empty()) {
        auto credentials = basic_credentials(field);
        bool valid = false;
        if (credentials) {
            user = credentials->user;
            valid = user.empty() && credentials->password.empty();
            if (!valid) valid = co_await check(std::move(*credentials));
        }
        if (!valid)
            throw ApiError(401, "UNAUTHORIZED", "authentication required")
                .with_header("WWW-Authenticate", fmt::format("Basic realm=\"{}\"", kService));
    }
    std::string token = make_token(user);
    json::Object body;
    body["token"] = token;
    body["access_token"] = token;
    body["expires_in"] = kTokenLife.count();
    body["issued_at"] = rfc3339(now_ns());
    co_return json::print(body);
}

}  // namespace berth::registry::server
