// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "async/context.h"
#include "http/message.h"
#include "http/server.h"
#include "registry/server/htpasswd.h"
#include "registry/server/route.h"

/// Who may do what, where there is an htpasswd file: its users may do everything; with `anonymous_pull`,
/// anybody may read.
///
/// Without anonymous reading the challenge is Basic. With it, it is Bearer with /token (distribution's token
/// authentication): docker only sends the credentials it has where the first answer is 401, and for a Basic
/// challenge it wants credentials from everybody; a token it gets without. Basic credentials are taken in any
/// case.
namespace berth::registry::server {

class Authenticator {
  public:
    /// `tls`: how the realm's address begins.
    Authenticator(async::Context& context, const std::string& htpasswd_file, bool anonymous_pull, bool tls);

    /// The user's name, "" for anonymous. Throws ApiError 401 with a challenge, or 403 DENIED.
    async::Task<std::string> authorize(const http::Request& request, const Route& route);
    /// GET /token: the body of the answer.
    async::Task<std::string> issue_token(const http::Request& request);
    bool issues_tokens() const { return anonymous_pull_; }

  private:
    struct Credentials {
        std::string user, password;
    };
    static std::optional<Credentials> basic_credentials(std::string_view authorization);
    async::Task<bool> check(Credentials credentials);
    std::string make_token(std::string_view user) const;
    /// The user that a valid token names, "" for anonymous.
    std::optional<std::string> token_user(std::string_view token) const;
    std::string challenge(const http::Request& request, const Route& route) const;

    HtpasswdFile file_;
    const bool anonymous_pull_, tls_;
    const std::string secret_;
    /// bcrypt is slow by design: what it found is kept for a minute, by a keyed hash of user, hash and
    /// password.
    std::map<std::string, std::chrono::steady_clock::time_point> verified_;
    /// Guesses must not fill the pool.
    async::Semaphore verifications_;
};

/// Standard alphabet with padding (RFC 4648, 4); nothing where malformed.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace berth::registry::server
