// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace berth::http {

/// Names of header fields, schemes and tokens compare without case (ASCII).
bool same_name(std::string_view a, std::string_view b);

/// Header fields in their order; names compare without case (RFC 9110, 5.1). A value holds no CR, LF or NUL:
/// set(), add() and the constructor throw invalid_argument.
class Headers {
  public:
    Headers() = default;
    Headers(std::initializer_list<std::pair<std::string, std::string>> fields);

    /// The first value of `name`; nothing where absent.
    std::optional<std::string_view> find(std::string_view name) const;
    /// "" where absent.
    std::string_view get(std::string_view name) const;
    std::vector<std::string_view> all(std::string_view name) const;
    void set(std::string name, std::string value);
    void add(std::string name, std::string value);
    void remove(std::string_view name);
    /// Whether one of the comma-separated values of `name` is `token`, as in "Connection: keep-alive,
    /// Upgrade".
    bool has_token(std::string_view name, std::string_view token) const;
    auto begin() const { return fields_.begin(); }
    auto end() const { return fields_.end(); }

  private:
    std::vector<std::pair<std::string, std::string>> fields_;
};

/// application/x-www-form-urlencoded pairs, in order, decoded; malformed escapes stay as they are.
class Query {
  public:
    static Query parse(std::string_view text);
    std::optional<std::string_view> find(std::string_view name) const;
    std::string_view get(std::string_view name) const;
    std::vector<std::string_view> all(std::string_view name) const;
    auto begin() const { return pairs_.begin(); }
    auto end() const { return pairs_.end(); }

  private:
    std::vector<std::pair<std::string, std::string>> pairs_;
};

std::string percent_encode(std::string_view text, std::string_view keep = "");
std::string percent_decode(std::string_view text);

/// "scheme://[user:password@]host[:port]/target". Throws invalid_argument.
struct Url {
    std::string scheme, user, password, host;  ///< host without brackets
    uint16_t port = 0;                         ///< 0: the scheme's own
    std::string target = "/";                  ///< path and query

    static Url parse(std::string_view text);
    /// What a Location or Link header means, seen from this URL (RFC 3986, 5.2).
    Url resolve(std::string_view reference) const;
    uint16_t effective_port() const;
    std::string authority() const;  ///< host[:port], for Host
    std::string text() const;       ///< without user and password
};

std::string_view reason_phrase(int status);

/// An Error that answers a request with a status of its own (413, 416, 429 …) instead of its kind's.
class StatusError : public Error {
  public:
    StatusError(int status, ErrorKind kind, std::string message)
        : Error(kind, std::move(message)), status_(status) {}
    int status() const noexcept { return status_; }

  private:
    int status_;
};

/// The status that an error is answered with, from its kind (not_found 404, conflict 409, …) or its own.
int status_of(const Error& error);

}  // namespace berth::http
