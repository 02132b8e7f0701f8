// SPDX-License-Identifier: Apache-2.0
#include "engine/config/values.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "base/byte_size.h"
#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"

namespace berth::engine {

namespace {

constexpr std::array<std::string_view, 15> kUlimitNames = {
    "core",   "cpu",   "data", "fsize",  "locks",  "memlock",    "msgqueue", "nice",
    "nofile", "nproc", "rss",  "rtprio", "rttime", "sigpending", "stack"};

Error invalid(std::string message) {
    return Error(ErrorKind::invalid_argument, std::move(message));
}

int64_t limit_number(std::string_view text) {
    if (auto number = parse_number<int64_t>(text)) return *number;
    throw invalid(fmt::format("strconv.ParseInt: parsing {}: invalid syntax", quote(text)));
}

bool is_ip(std::string_view text) {
    std::string name(text);
    std::array<unsigned char, 16> bytes{};
    return ::inet_pton(AF_INET, name.c_str(), bytes.data()) == 1 ||
           ::inet_pton(AF_INET6, name.c_str(), bytes.data()) == 1;
}

/// "key" and "value" around the first '='; the second is absent where there is none.
std::pair<std::string_view, std::optional<std::string_view>> cut(std::string_view text) {
    size_t at = text.find('=');
    if (at == std::string_view::npos) return {text, std::nullopt};
    return {text.substr(0, at), text.substr(at + 1)};
}

}  // namespace

UlimitSetting parse_ulimit(std::string_view text) {
    auto [name, value] = cut(text);
    if (!value) throw invalid(fmt::format("invalid ulimit argument: {}", text));
    if (std::ranges::find(kUlimitNames, name) == kUlimitNames.end())
        throw invalid(fmt::format("invalid ulimit type: {}", name));
    UlimitSetting setting{.name = std::string(name)};
    std::vector<std::string_view> parts = split(*value, ':');
    if (parts.empty() || parts[0].empty()) throw invalid(fmt::format("invalid ulimit argument: {}", text));
    if (parts.size() > 2)
        throw invalid(fmt::format(
            "too many limit value arguments - {}, can only have up to two, `soft[:hard]`", *value));
    setting.soft = setting.hard = limit_number(parts[0]);
    if (parts.size() == 2) setting.hard = limit_number(parts[1]);
    if (setting.hard != -1 && (setting.soft > setting.hard || setting.soft == -1))
        throw invalid(fmt::format("ulimit soft limit must be less than or equal to hard limit: {} > {}",
                                  setting.soft, setting.hard));
    return setting;
}

std::pair<std::string, RuntimeSetting> parse_runtime(std::string_view text) {
    auto [raw_name, path] = cut(text);
    if (!path) throw invalid(fmt::format("invalid runtime argument: {}", text));
    std::string name(trim(raw_name));
    RuntimeSetting setting{.path = std::string(trim(*path))};
    if (name.empty() || setting.path.empty())
        throw invalid(fmt::format("invalid runtime argument: {}", text));
    if (name == "runc") throw invalid("runtime name 'runc' is reserved");
    std::ranges::transform(name, name.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    return {std::move(name), std::move(setting)};
}

AddressPoolSetting parse_address_pool(std::string_view text) {
    AddressPoolSetting pool;
    for (std::string_view field : split(text, ',')) {
        auto [key, value] = cut(field);
        if (!value) throw invalid(fmt::format("invalid field '{}' must be a key=value pair", field));
        if (key == "base")
            pool.base = *value;
        else if (key == "size") {
            auto size = parse_number<int>(*value);
            if (!size)
                throw invalid(fmt::format(
                    "invalid size value: {} (must be integer): strconv.Atoi: parsing {}: invalid syntax",
                    *value, quote(*value)));
            pool.size = *size;
        } else {
            throw invalid(fmt::format("unexpected key '{}' in '{}'", key, field));
        }
    }
    return pool;
}

std::pair<std::string, bool> parse_feature(std::string_view text) {
    auto [name, value] = cut(text);
    if (name.empty()) throw invalid(fmt::format("invalid name: {}", quote(text)));
    if (!value || *value == "true" || *value == "1") return {std::string(name), true};
    if (*value == "false" || *value == "0") return {std::string(name), false};
    throw invalid(fmt::format("invalid boolean value ({}): {}", quote(*value), quote(text)));
}

int64_t parse_bytes(std::string_view text) {
    if (auto size = parse_byte_size(text)) return *size;
    throw invalid(fmt::format("invalid size: '{}'", text));
}

void check_label(std::string_view text) {
    if (text.find('=') == std::string_view::npos)
        throw invalid(fmt::format("bad attribute format: {}", text));
}

void check_ip(std::string_view text) {
    if (!is_ip(trim(text))) throw invalid(fmt::format("IP address is not correctly formatted: {}", text));
}

void check_dns_search(std::string_view text) {
    std::string_view domain = trim(text);
    if (domain == ".") return;
    bool has_letter = false, good = !domain.empty() && domain.size() <= 255 && domain.front() != '.';
    for (char c : domain) {
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        has_letter |= letter;
        good = good && (letter || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.');
    }
    if (!good || !has_letter) throw invalid(fmt::format("{} is not a valid domain", text));
}

std::string checked_mirror(std::string_view text) {
    size_t scheme_end = text.find("://");
    std::string_view scheme = scheme_end == std::string_view::npos ? "" : text.substr(0, scheme_end);
    if (scheme != "http" && scheme != "https")
        throw invalid(
            scheme.empty()
                ? fmt::format(
                      "invalid mirror: no scheme specified for {}: must use either 'https://' or 'http://'",
                      quote(text))
                : fmt::format(
                      "invalid mirror: unsupported scheme {} in {}: must use either 'https://' or 'http://'",
                      quote(scheme), quote(text)));
    std::string_view rest = text.substr(scheme_end + 3);
    if (rest.empty() || rest.front() == '/')
        throw invalid(fmt::format("invalid mirror: {} is not a valid URI", quote(text)));
    if (rest.find_first_of("?#") != std::string_view::npos)
        throw invalid(fmt::format("invalid mirror: query or fragment at end of the URI {}", quote(text)));
    if (rest.substr(0, rest.find('/')).find('@') != std::string_view::npos)
        throw invalid("invalid mirror: username/password not allowed in URI");
    return std::string(text) + (text.ends_with('/') ? "" : "/");
}

std::string checked_insecure_registry(std::string_view text) {
    for (std::string_view scheme : {"http://", "https://"}) {
        if (!text.starts_with(scheme)) continue;
        log::warning(
            "insecure registry {} should not contain '{}' and '{}' has been removed from the insecure "
            "registry config",
            text, scheme, scheme);
        text.remove_prefix(scheme.size());
    }
    if (text.find("://") != std::string_view::npos)
        throw invalid(fmt::format("insecure registry {} should not contain '://'", text));
    if (text.starts_with('-') || text.ends_with('-'))
        throw invalid(fmt::format("Cannot begin or end with a hyphen: {}", text));
    return std::string(text);
}

}  // namespace berth::engine
