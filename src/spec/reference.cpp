// SPDX-License-Identifier: Apache-2.0
#include "spec/reference.h"

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"

namespace berth::spec {

namespace {

constexpr std::string_view kHub = "docker.io";
constexpr std::string_view kOldHub = "index.docker.io";
constexpr std::string_view kOfficial = "library/";
constexpr size_t kMaxPath = 255;
constexpr size_t kMaxTag = 128;
constexpr size_t kMinDigestHex = 32;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}
bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}
bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_word(char c) {
    return is_digit(c) || is_lower(c) || is_upper(c) || c == '_';
}

/// [a-z0-9]+ with `.`, `_`, `__` or any number of `-` between.
bool is_path_component(std::string_view text) {
    auto is_plain = [](char c) { return is_lower(c) || is_digit(c); };
    if (text.empty() || !is_plain(text.front()) || !is_plain(text.back())) return false;
    for (size_t i = 0; i < text.size();) {
        if (is_plain(text[i])) {
            ++i;
            continue;
        }
        size_t end = i;
        while (!is_plain(text[end])) ++end;
        std::string_view separator = text.substr(i, end - i);
        bool dashes = separator.find_first_not_of('-') == std::string_view::npos;
        if (!dashes && separator != "." && separator != "_" && separator != "__") return false;
        i = end;
    }
    return true;
}

bool is_path(std::string_view text) {
    std::vector<std::string_view> parts = split(text, '/');
    return !parts.empty() && std::ranges::all_of(parts, is_path_component);
}

bool is_domain_component(std::string_view text) {
    return !text.empty() && text.front() != '-' && text.back() != '-' &&
           std::ranges::all_of(text, [](char c) { return c == '-' || (is_word(c) && c != '_'); });
}

bool is_domain(std::string_view text) {
    std::string_view port;
    if (text.starts_with('[')) {
        size_t close = text.find(']');
        if (close == std::string_view::npos || close == 1) return false;
        std::string_view address = text.substr(1, close - 1);
        if (!std::ranges::all_of(address, [](char c) { return is_hex(c) || c == ':'; })) return false;
        port = text.substr(close + 1);
    } else {
        size_t colon = std::min(text.find(':'), text.size());
        std::vector<std::string_view> parts = split(text.substr(0, colon), '.');
        if (parts.empty() || !std::ranges::all_of(parts, is_domain_component)) return false;
        port = text.substr(colon);
    }
    if (port.empty()) return true;
    return port.size() > 1 && port.front() == ':' && std::ranges::all_of(port.substr(1), is_digit);
}

/// The digest of a reference as far as its grammar goes, which knows no algorithms.
bool looks_like_digest(std::string_view text) {
    size_t colon = text.find(':');
    if (colon == std::string_view::npos) return false;
    std::string_view hex = text.substr(colon + 1);
    if (hex.size() < kMinDigestHex || !std::ranges::all_of(hex, is_hex)) return false;
    bool at_start = true;
    for (char c : text.substr(0, colon)) {
        bool letter = is_lower(c) || is_upper(c);
        bool separator = c == '+' || c == '.' || c == '-' || c == '_';
        if (at_start ? !letter : !(letter || separator || is_digit(c))) return false;
        at_start = separator;
    }
    return !at_start;
}

/// Whether the first component of a name, which a '/' follows, is a registry and not a part of a path.
bool means_domain(std::string_view component) {
    return component == "localhost" || component.find_first_of(".:") != std::string_view::npos ||
           std::ranges::any_of(component, is_upper);
}

bool is_id(std::string_view text) {
    return text.size() == 64 &&
           std::ranges::all_of(text, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

[[noreturn]] void fail(std::string message) {
    throw Error(ErrorKind::invalid_argument, std::move(message));
}

[[noreturn]] void fail_format() {
    fail("invalid reference format");
}

}  // namespace

bool is_valid_tag(std::string_view tag) {
    return !tag.empty() && tag.size() <= kMaxTag && is_word(tag.front()) &&
           std::ranges::all_of(tag, [](char c) { return is_word(c) || c == '.' || c == '-'; });
}

bool is_valid_repository(std::string_view path) {
    return path.size() <= kMaxPath && is_path(path);
}

Reference Reference::parse(std::string_view text) {
    if (is_id(text))
        fail(fmt::format("invalid repository name ({}), cannot specify 64-byte hexadecimal strings", text));
    if (text.empty()) fail_format();

    Reference result;
    std::string_view rest = text;
    size_t slash = text.find('/');
    if (slash != std::string_view::npos && means_domain(text.substr(0, slash))) {
        result.domain_ = text.substr(0, slash);
        rest = text.substr(slash + 1);
    }
    if (result.domain_.empty() || result.domain_ == kOldHub) result.domain_ = kHub;
    bool official = result.domain_ == kHub && rest.find('/') == std::string_view::npos;
    auto full = [&](std::string_view path) { return fmt::format("{}{}", official ? kOfficial : "", path); };

    std::string_view lower_part = rest.substr(0, rest.find(':'));
    if (std::ranges::any_of(lower_part, is_upper))
        fail(fmt::format("invalid reference format: repository name ({}) must be lowercase",
                         full(lower_part.substr(0, kMaxPath))));

    if (size_t at = rest.find('@'); at != std::string_view::npos) {
        std::string_view digest = rest.substr(at + 1);
        if (!looks_like_digest(digest)) fail_format();
        result.digest_ = Digest::parse(digest);
        rest = rest.substr(0, at);
    }
    if (size_t colon = rest.find(':'); colon != std::string_view::npos) {
        std::string_view tag = rest.substr(colon + 1);
        if (!is_valid_tag(tag)) fail_format();
        result.tag_ = tag;
        rest = rest.substr(0, colon);
    }
    if (!is_domain(result.domain_) || !is_path(rest)) fail_format();
    result.path_ = full(rest);
    if (result.path_.size() > kMaxPath)
        fail(fmt::format("repository name must not be more than {} characters", kMaxPath));
    return result;
}

std::optional<Reference> Reference::try_parse(std::string_view text) {
    try {
        return parse(text);
    } catch (const Error&) {
        return std::nullopt;
    }
}

Reference Reference::with_default_tag() const {
    return tag_ || digest_ ? *this : with_tag("latest");
}

Reference Reference::with_tag(std::string_view tag) const {
    if (!is_valid_tag(tag)) fail("invalid tag format");
    Reference result = *this;
    result.tag_ = tag;
    result.digest_.reset();
    return result;
}

Reference Reference::with_digest(const Digest& digest) const {
    Reference result = *this;
    result.tag_.reset();
    result.digest_ = digest;
    return result;
}

std::string Reference::familiar_name() const {
    if (domain_ != kHub) return name();
    std::string_view path = path_;
    std::string_view last = path.starts_with(kOfficial) ? path.substr(kOfficial.size()) : path;
    // What would be read as something else keeps its prefix.
    if (last.size() < path.size() && last.find('/') == std::string_view::npos)
        return is_id(last) ? path_ : std::string(last);
    size_t slash = path.find('/');
    if (slash == std::string_view::npos || means_domain(path.substr(0, slash))) return name();
    return path_;
}

std::string Reference::text() const {
    std::string result = name();
    if (tag_) (result += ':') += *tag_;
    if (digest_) (result += '@') += digest_->text();
    return result;
}

std::string Reference::familiar() const {
    return familiar_name() + text().substr(name().size());
}

}  // namespace berth::spec
