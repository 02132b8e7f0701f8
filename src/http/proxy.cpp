// SPDX-License-Identifier: Apache-2.0
#include "http/proxy.h"

#include <arpa/inet.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "base/strings.h"
#include "http/client.h"

namespace berth::http {

namespace {

/// An IP address as 16 bytes; IPv4 as ::ffff:a.b.c.d.
std::optional<std::array<unsigned char, 16>> parse_ip(const std::string& text) {
    std::array<unsigned char, 16> address{};
    if (::inet_pton(AF_INET6, text.c_str(), address.data()) == 1) return address;
    address = {};
    address[10] = address[11] = 0xff;
    if (::inet_pton(AF_INET, text.c_str(), address.data() + 12) == 1) return address;
    return std::nullopt;
}

bool in_block(const std::string& host, std::string_view block) {
    size_t slash = block.find('/');
    std::string network(block.substr(0, slash));
    auto bits = parse_number<unsigned>(block.substr(slash + 1));
    auto base = parse_ip(network), address = parse_ip(host);
    if (!bits || !base || !address) return false;
    bool v4 = network.find(':') == std::string::npos;
    if (*bits > (v4 ? 32u : 128u)) return false;
    unsigned length = v4 ? *bits + 96 : *bits;
    if (std::memcmp(base->data(), address->data(), length / 8) != 0) return false;
    if (length % 8 == 0) return true;
    unsigned shift = 8 - length % 8;
    return ((*base)[length / 8] >> shift) == ((*address)[length / 8] >> shift);
}

std::string lower_case(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    return result;
}

/// Takes ":port" (or "]:port") off the end.
std::optional<uint16_t> take_port(std::string& text) {
    std::optional<uint16_t> port;
    size_t colon = text.rfind(':');
    bool bracketed = text.starts_with('[');
    bool has_port =
        colon != std::string::npos && (bracketed ? text[colon - 1] == ']' : text.find(':') == colon);
    if (has_port) {
        port = parse_number<uint16_t>(std::string_view(text).substr(colon + 1));
        if (port) text.resize(colon);
    }
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    return port;
}

bool entry_matches(std::string entry, const Url& url) {
    if (entry == "*") return true;
    if (entry.find('/') != std::string::npos) return in_block(url.host, entry);
    auto port = take_port(entry);
    if (port && *port != url.effective_port()) return false;
    if (auto address = parse_ip(entry)) return parse_ip(url.host) == address;
    if (entry.starts_with("*.")) entry.erase(0, 1);
    if (entry.starts_with('.')) return url.host.ends_with(entry);
    return url.host == entry || url.host.ends_with("." + entry);
}

std::string from_environment(const char* upper, const char* lower) {
    for (const char* name : {upper, lower}) {
        const char* value = std::getenv(name);
        if (value != nullptr && *value != '\0') return value;
    }
    return {};
}

}  // namespace

bool is_loopback(const std::string& host) {
    if (host == "localhost" || host.ends_with(".localhost")) return true;
    auto address = parse_ip(host);
    if (!address) return false;
    static constexpr unsigned char kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (std::memcmp(address->data(), kMapped, sizeof kMapped) == 0) return (*address)[12] == 127;
    return *address == std::array<unsigned char, 16>{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
}

std::optional<Url> proxy_for(const Url& url, const std::string& http_proxy, const std::string& https_proxy,
                             const std::string& no_proxy) {
    const std::string& proxy = url.scheme == "https" ? https_proxy : http_proxy;
    if (proxy.empty() || is_loopback(url.host)) return std::nullopt;
    for (std::string_view part : split(no_proxy, ',')) {
        std::string entry = lower_case(trim(part));
        if (!entry.empty() && entry_matches(std::move(entry), url)) return std::nullopt;
    }
    return Url::parse(proxy.find("://") == std::string::npos ? "http://" + proxy : proxy);
}

std::function<std::optional<Url>(const Url&)> ClientOptions::proxy_from_environment() {
    // In a CGI program HTTP_PROXY is what a client's "Proxy:" header says.
    bool cgi = std::getenv("REQUEST_METHOD") != nullptr;
    std::string http = cgi ? "" : from_environment("HTTP_PROXY", "http_proxy");
    std::string https = from_environment("HTTPS_PROXY", "https_proxy");
    std::string none = from_environment("NO_PROXY", "no_proxy");
    return [http, https, none](const Url& url) { return proxy_for(url, http, https, none); };
}

}  // namespace berth::http
