// SPDX-License-Identifier: Apache-2.0
#include "http/message.h"

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace berth::http {

namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

void check_field(std::string_view name, std::string_view value) {
    constexpr std::string_view kEnds("\r\n\0", 3);
    if (name.empty() || name.find_first_of(kEnds) != std::string_view::npos ||
        name.find_first_of(" :\t") != std::string_view::npos)
        throw make_error(ErrorKind::invalid_argument, "invalid header field name {}", quote(name));
    if (value.find_first_of(kEnds) != std::string_view::npos)
        throw make_error(ErrorKind::invalid_argument, "invalid header field value for {}", quote(name));
}

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::string decode(std::string_view text, bool plus_is_blank) {
    std::string result;
    result.reserve(text.size());
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size()) {
            int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
            if (high >= 0 && low >= 0) {
                result += static_cast<char>(high * 16 + low);
                i += 2;
                continue;
            }
        }
        result += plus_is_blank && text[i] == '+' ? ' ' : text[i];
    }
    return result;
}

template <typename Pairs>
std::optional<std::string_view> find_in(const Pairs& pairs, auto&& same) {
    for (const auto& [key, value] : pairs)
        if (same(key)) return value;
    return std::nullopt;
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

Headers::Headers(std::initializer_list<std::pair<std::string, std::string>> fields) {
    for (const auto& [name, value] : fields) add(name, value);
}

std::optional<std::string_view> Headers::find(std::string_view name) const {
    return find_in(fields_, [name](std::string_view key) { return same_name(key, name); });
}

std::string_view Headers::get(std::string_view name) const {
    return find(name).value_or("");
}

std::vector<std::string_view> Headers::all(std::string_view name) const {
    std::vector<std::string_view> values;
    for (const auto& [key, value] : fields_)
        if (same_name(key, name)) values.emplace_back(value);
    return values;
}

void Headers::set(std::string name, std::string value) {
    check_field(name, value);
    remove(name);
    fields_.emplace_back(std::move(name), std::move(value));
}

void Headers::add(std::string name, std::string value) {
    check_field(name, value);
    fields_.emplace_back(std::move(name), std::move(value));
}

void Headers::remove(std::string_view name) {
    std::erase_if(fields_, [name](const auto& field) { return same_name(field.first, name); });
}

bool Headers::has_token(std::string_view name, std::string_view token) const {
    for (const auto& [key, value] : fields_) {
        if (!same_name(key, name)) continue;
        for (std::string_view part : split(value, ','))
            if (same_name(trim(part), token)) return true;
    }
    return false;
}

Query Query::parse(std::string_view text) {
    Query query;
    for (std::string_view part : split(text, '&')) {
        if (part.empty()) continue;
        size_t equals = part.find('=');
        std::string_view value = equals == std::string_view::npos ? "" : part.substr(equals + 1);
        query.pairs_.emplace_back(decode(part.substr(0, equals), true), decode(value, true));
    }
    return query;
}

std::optional<std::string_view> Query::find(std::string_view name) const {
    return find_in(pairs_, [name](std::string_view key) { return key == name; });
}

std::string_view Query::get(std::string_view name) const {
    return find(name).value_or("");
}

std::vector<std::string_view> Query::all(std::string_view name) const {
    std::vector<std::string_view> values;
    for (const auto& [key, value] : pairs_)
        if (key == name) values.emplace_back(value);
    return values;
}

std::string percent_encode(std::string_view text, std::string_view keep) {
    constexpr std::string_view kDigits = "0123456789ABCDEF", kUnreserved = "-._~";
    std::string result;
    result.reserve(text.size());
    for (char c : text) {
        bool plain = (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
                     kUnreserved.find(c) != std::string_view::npos || keep.find(c) != std::string_view::npos;
        if (plain) {
            result += c;
            continue;
        }
        auto byte = static_cast<unsigned char>(c);
        result += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
    return result;
}

std::string percent_decode(std::string_view text) {
    return decode(text, false);
}

std::string_view reason_phrase(int status) {
    switch (status) {
        case 100: return "Continue";
        case 101: return "Switching Protocols";
        case 200: return "OK";
        case 201: return "Created";
        case 202: return "Accepted";
        case 204: return "No Content";
        case 205: return "Reset Content";
        case 206: return "Partial Content";
        case 300: return "Multiple Choices";
        case 301: return "Moved Permanently";
        case 302: return "Found";
        case 303: return "See Other";
        case 304: return "Not Modified";
        case 307: return "Temporary Redirect";
        case 308: return "Permanent Redirect";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 402: return "Payment Required";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 406: return "Not Acceptable";
        case 407: return "Proxy Authentication Required";
        case 408: return "Request Timeout";
        case 409: return "Conflict";
        case 410: return "Gone";
        case 411: return "Length Required";
        case 412: return "Precondition Failed";
        case 413: return "Request Entity Too Large";
        case 414: return "Request URI Too Long";
        case 415: return "Unsupported Media Type";
        case 416: return "Requested Range Not Satisfiable";
        case 417: return "Expectation Failed";
        case 421: return "Misdirected Request";
        case 422: return "Unprocessable Entity";
        case 423: return "Locked";
        case 425: return "Too Early";
        case 426: return "Upgrade Required";
        case 428: return "Precondition Required";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 500: return "Internal Server Error";
        case 501: return "Not Implemented";
        case 502: return "Bad Gateway";
        case 503: return "Service Unavailable";
        case 504: return "Gateway Timeout";
        case 505: return "HTTP Version Not Supported";
        case 507: return "Insufficient Storage";
        default: return "Status";
    }
}

int status_of(const Error& error) {
    if (const auto* with_status = dynamic_cast<const StatusError*>(&error)) return with_status->status();
    switch (error.kind()) {
        case ErrorKind::not_found: return 404;
        case ErrorKind::conflict: return 409;
        case ErrorKind::invalid_argument: return 400;
        case ErrorKind::unauthorized: return 401;
        case ErrorKind::forbidden: return 403;
        case ErrorKind::not_modified: return 304;
        case ErrorKind::unavailable: return 503;
        case ErrorKind::not_implemented: return 501;
        case ErrorKind::internal: return 500;
    }
    return 500;
}

}  // namespace berth::http
