// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "http/message.h"

namespace berth::http {

/// The proxy of the environment, with the meaning that Go's programs (Docker among them) give the variables:
/// HTTP_PROXY, HTTPS_PROXY and NO_PROXY, or their lower-case names; a proxy without a scheme is an http://
/// one. NO_PROXY is a list with commas of: "*"; IP addresses; CIDR blocks; names ("example.com" is it and all
/// below it,
/// ".example.com" and "*.example.com" only what is below); each but "*" and blocks may end in ":port".
/// Loopback hosts never go through a proxy.
std::optional<Url> proxy_for(const Url& url, const std::string& http_proxy, const std::string& https_proxy,
                             const std::string& no_proxy);

bool is_loopback(const std::string& host);

}  // namespace berth::http
