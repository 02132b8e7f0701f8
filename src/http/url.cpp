// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "http/message.h"

namespace berth::http {

namespace {

[[noreturn]] void fail(std::string_view text, std::string_view why) {
    throw make_error(ErrorKind::invalid_argument, "parse {}: {}", quote(text), why);
}

/// What may neither stand in a request line nor in a log.
bool has_blank_or_control(std::string_view text) {
    return std::ranges::any_of(text,
                               [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; });
}

std::string lower_case(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    return result;
}

bool is_scheme(std::string_view text) {
    auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    return !text.empty() && letter(text[0]) && std::ranges::all_of(text, [&](char c) {
        return letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
    });
}

void parse_user(Url& url, std::string_view info) {
    size_t colon = info.find(':');
    url.user = percent_decode(info.substr(0, colon));
    if (colon != std::string_view::npos) url.password = percent_decode(info.substr(colon + 1));
}

void parse_host(Url& url, std::string_view whole, std::string_view text) {
    std::string_view host = text, port;
    if (text.starts_with('[')) {
        size_t end = text.find(']');
        if (end == std::string_view::npos) fail(whole, "missing ']' in host");
        host = text.substr(1, end - 1);
        port = text.substr(end + 1);
        if (host.find_first_not_of("0123456789abcdefABCDEF:.%") != std::string_view::npos)
            fail(whole, "invalid IPv6 address");
    } else if (size_t colon = text.find(':'); colon != std::string_view::npos) {
        host = text.substr(0, colon);
        port = text.substr(colon);
    }
    if (host.empty()) fail(whole, "no host in request URL");
    if (host.find_first_of("/\\@\"<>^`{|}#?") != std::string_view::npos)
        fail(whole, "invalid character in host name");
    url.host = lower_case(host);
    if (port.empty() || port == ":") return;
    auto number = port[0] == ':' ? parse_number<uint16_t>(port.substr(1)) : std::nullopt;
    if (!number || *number == 0) fail(whole, "invalid port " + quote(port));
    url.port = *number;
}

/// RFC 3986, 5.2.4, of a path that begins with '/'.
std::string remove_dot_segments(std::string_view path) {
    std::vector<std::string_view> kept;
    bool ends_in_folder = false;
    for (std::string_view segment : split(path.substr(1), '/')) {
        ends_in_folder = segment == "." || segment == "..";
        if (segment == ".." && !kept.empty()) kept.pop_back();
        if (!ends_in_folder) kept.push_back(segment);
    }
    std::string result;
    for (std::string_view segment : kept) result.append("/").append(segment);
    if (ends_in_folder || kept.empty()) result += '/';
    return result;
}

}  // namespace

Url Url::parse(std::string_view text) {
    if (has_blank_or_control(text)) fail(text, "invalid character in URL");
    size_t colon = text.find("://");
    if (colon == std::string_view::npos) fail(text, "missing protocol scheme");
    Url url;
    if (!is_scheme(text.substr(0, colon))) fail(text, "invalid protocol scheme");
    url.scheme = lower_case(text.substr(0, colon));
    std::string_view rest = text.substr(colon + 3);
    rest = rest.substr(0, rest.find('#'));
    size_t end = std::min(rest.find_first_of("/?"), rest.size());
    std::string_view authority = rest.substr(0, end);
    if (size_t at = authority.rfind('@'); at != std::string_view::npos) {
        parse_user(url, authority.substr(0, at));
        authority.remove_prefix(at + 1);
    }
    parse_host(url, text, authority);
    url.target = rest.substr(end);
    if (!url.target.starts_with('/')) url.target.insert(0, "/");
    return url;
}

Url Url::resolve(std::string_view reference) const {
    reference = reference.substr(0, reference.find('#'));
    if (has_blank_or_control(reference)) fail(reference, "invalid character in URL");
    size_t colon = reference.find(':');
    if (colon != std::string_view::npos && is_scheme(reference.substr(0, colon))) return parse(reference);
    if (reference.starts_with("//")) return parse(fmt::format("{}:{}", scheme, reference));
    Url result = *this;
    if (reference.empty()) return result;
    std::string_view base_path = std::string_view(target).substr(0, target.find('?'));
    if (reference[0] == '?') {
        result.target = fmt::format("{}{}", base_path, reference);
        return result;
    }
    size_t query = std::min(reference.find('?'), reference.size());
    std::string path(reference.substr(0, query));
    if (path[0] != '/') path = fmt::format("{}{}", base_path.substr(0, base_path.rfind('/') + 1), path);
    result.target = fmt::format("{}{}", remove_dot_segments(path), reference.substr(query));
    return result;
}

uint16_t Url::effective_port() const {
    if (port != 0) return port;
    return scheme == "https" ? 443 : 80;
}

std::string Url::authority() const {
    std::string result = host.find(':') == std::string::npos ? host : fmt::format("[{}]", host);
    if (port != 0 && port != (scheme == "https" ? 443 : 80)) result += fmt::format(":{}", port);
    return result;
}

std::string Url::text() const {
    return fmt::format("{}://{}{}", scheme, authority(), target);
}

}  // namespace berth::http
