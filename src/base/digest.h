// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace berth {

/// A content digest, "<algorithm>:<lower-case hex>" (OCI image-spec, descriptor.md, "Digests"). Holds only
/// well-formed digests of the registered algorithms, sha256 and sha512; a default one is empty.
class Digest {
  public:
    Digest() = default;
    /// Throws invalid_argument: `invalid digest "…": …`.
    static Digest parse(std::string_view text);
    static std::optional<Digest> try_parse(std::string_view text);
    /// SHA-256 of `data`.
    static Digest of(std::string_view data);

    bool empty() const { return text_.empty(); }
    const std::string& text() const { return text_; }
    std::string_view algorithm() const;
    std::string_view hex() const;
    /// The first 12 digits, as people see it.
    std::string_view short_hex() const { return hex().substr(0, 12); }

    auto operator<=>(const Digest&) const = default;

  private:
    friend class Hasher;
    explicit Digest(std::string text) : text_(std::move(text)) {}
    std::string text_;
};

/// A running hash (OpenSSL's EVP, which uses the processor's SHA instructions).
class Hasher {
  public:
    explicit Hasher(std::string_view algorithm = "sha256");
    Hasher(Hasher&&) noexcept;
    Hasher& operator=(Hasher&&) noexcept;
    ~Hasher();

    void update(std::span<const std::byte> data);
    void update(std::string_view data);
    /// Of everything so far; the hasher starts anew.
    Digest finish();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace berth
