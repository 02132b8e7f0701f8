// SPDX-License-Identifier: Apache-2.0
#include "spec/credentials.h"

#include <boost/describe/class.hpp>

#include "base/base64.h"
#include "base/json.h"

namespace berth::spec {

namespace {

/// AuthConfig of Docker's API.
struct AuthConfig {
    std::string username;
    std::string password;
    std::string auth;
    std::string serveraddress;
    std::string identitytoken;
    std::string registrytoken;
};
BOOST_DESCRIBE_STRUCT(AuthConfig, (), (username, password, auth, serveraddress, identitytoken, registrytoken))

}  // namespace

std::string encode_registry_auth(const Credentials& credentials, std::string_view server) {
    AuthConfig config{.username = credentials.username,
                      .password = credentials.password,
                      .serveraddress = std::string(server),
                      .identitytoken = credentials.identity_token,
                      .registrytoken = credentials.registry_token};
    return encode_base64(json::print(json::encode(config)), Base64::url);
}

Credentials decode_registry_auth(std::string_view header) {
    if (header.empty()) return {};
    std::optional<std::string> text = decode_base64(header);
    if (!text) throw Error(ErrorKind::invalid_argument, "invalid X-Registry-Auth header: not base64url");
    AuthConfig config;
    try {
        config = json::decode_text<AuthConfig>(*text);
    } catch (const Error& error) {
        throw make_error(ErrorKind::invalid_argument, "invalid X-Registry-Auth header: {}", error.what());
    }
    // "auth" is "username:password" in base64, as config.json has it.
    if (!config.auth.empty() && config.username.empty() && config.password.empty()) {
        std::optional<std::string> pair = decode_base64(config.auth);
        size_t colon = pair ? pair->find(':') : std::string::npos;
        if (colon == std::string::npos)
            throw Error(ErrorKind::invalid_argument,
                        "invalid X-Registry-Auth header: auth: not username:password");
        config.username = pair->substr(0, colon);
        config.password = pair->substr(colon + 1);
    }
    return {.username = std::move(config.username),
            .password = std::move(config.password),
            .identity_token = std::move(config.identitytoken),
            .registry_token = std::move(config.registrytoken)};
}

}  // namespace berth::spec
