// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"

namespace berth::registry::server {

/// User names and bcrypt hashes, as `htpasswd -B` writes them; other kinds of hashes are refused.
class Htpasswd {
  public:
    /// Throws invalid_argument with `name` and the line: "htpasswd: line 3: …".
    static Htpasswd parse(std::string_view text, std::string_view name);

    /// Slow by design (tens of milliseconds), as slow for an unknown user. For the pool.
    bool verify(const std::string& user, const std::string& password) const;
    /// The hash of a user, or "".
    std::string_view hash(std::string_view user) const;

  private:
    std::map<std::string, std::string, std::less<>> users_;
};

/// The file of an Htpasswd: read again when it changes. Thread-safe.
class HtpasswdFile {
  public:
    /// Reads it; throws where that fails.
    explicit HtpasswdFile(std::string path);
    /// The present content. A change that cannot be read is logged, and the last good one stays.
    std::shared_ptr<const Htpasswd> current();

  private:
    struct Version {
        int64_t changed_ns = 0;
        uint64_t inode = 0, size = 0;
        bool operator==(const Version&) const = default;
    };
    std::optional<Version> version() const;
    std::shared_ptr<const Htpasswd> read() const;

    std::string path_;
    std::mutex mutex_;
    Version version_;
    std::shared_ptr<const Htpasswd> content_;
};

/// A message authentication code in hexadecimal digits, for what only this process checks: built as HMAC (RFC
/// 2104) over SHA-256, but with the inner hash in hexadecimal digits.
std::string keyed_hash(std::string_view key, std::string_view text);
/// In a time that depends on the lengths alone.
bool equal_secrets(std::string_view one, std::string_view other);

}  // namespace berth::registry::server
