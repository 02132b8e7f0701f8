// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace berth::spec {

/// What a registry is told about who asks: a name with a password, or one of the tokens. All empty:
/// anonymous.
struct Credentials {
    std::string username;
    std::string password;
    std::string identity_token;  ///< an OAuth2 refresh token, exchanged for access tokens
    std::string registry_token;  ///< an access token, sent as it is

    bool empty() const {
        return username.empty() && password.empty() && identity_token.empty() && registry_token.empty();
    }
    bool operator==(const Credentials&) const = default;
};

/// The value of the header X-Registry-Auth of the Docker Engine API: base64url of JSON. `server` is its
/// "serveraddress", left out where it is empty.
std::string encode_registry_auth(const Credentials& credentials, std::string_view server = {});
/// Padding and the alphabet of base64 are taken too; the empty text is anonymous. Throws invalid_argument,
/// without what was decoded.
Credentials decode_registry_auth(std::string_view header);

}  // namespace berth::spec
