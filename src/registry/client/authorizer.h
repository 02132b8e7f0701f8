// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "async/context.h"
#include "http/message.h"
#include "registry/client/challenge.h"
#include "spec/credentials.h"

namespace berth::registry {

class Transport;

/// What a token server gives (distribution: "Token Authentication Specification", "OAuth2 Token
/// Authentication").
struct Token {
    std::string bearer;
    std::string refresh;  ///< identity token, where it was asked for
    std::chrono::steady_clock::time_point expires;
};

/// Gets a token for `scopes` (separated by blanks) from the realm of `challenge`, which `registry` gave: by
/// GET, with Basic where there is a password; by POST for an identity token. `offline`: asks for an identity
/// token. Throws ResponseError of the token server, or invalid_argument for a realm that must not be asked.
async::Task<Token> fetch_token(Transport& transport, http::Url registry, Challenge challenge,
                               std::string scopes, std::optional<spec::Credentials> credentials,
                               bool offline);

/// "Basic …".
std::string basic_authorization(const spec::Credentials& credentials);

/// Signs the requests of one operation to one registry: nothing until it asks, then Basic or a Bearer token
/// for each scope, kept until it expires. Belongs to the loop's thread; requests at the same time share one
/// renewal.
class Authorizer {
  public:
    using Lookup = std::function<std::optional<spec::Credentials>(const std::string& host)>;
    /// `lookup` is asked once, at the first challenge, with `host`.
    Authorizer(Transport& transport, http::Url registry, std::string host, Lookup lookup);
    ~Authorizer();

    /// Where the registry turned out to be (HTTP instead of HTTPS).
    void set_registry(http::Url registry) { registry_ = std::move(registry); }

    /// The value of Authorization for `scope` as far as it is known.
    std::optional<std::string> authorization(const std::string& scope) const;
    /// After a 401 to a request with `used`. False where nothing better can be had. Throws where the token
    /// server refuses, and "no basic auth credentials" where the registry wants a password and there is none.
    async::Task<bool> renew(std::vector<Challenge> challenges, std::string scope,
                            std::optional<std::string> used);

  private:
    async::Task<std::optional<spec::Credentials>> credentials();

    Transport& transport_;
    http::Url registry_;
    std::string host_;
    Lookup lookup_;
    async::Semaphore renewing_;
    bool looked_up_ = false;
    std::optional<spec::Credentials> credentials_;
    std::optional<std::string> basic_;
    std::map<std::string, Token> tokens_;  ///< by scope
};

}  // namespace berth::registry
