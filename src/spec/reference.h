// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"

/// Names of images: `[domain/]path[:tag][@digest]` (distribution/reference; OCI distribution-spec, "Pulling
/// manifests").
namespace berth::spec {

/// A parsed reference. Invariants: `domain` and `path` are never empty and match the grammar; the name is at
/// most 255 characters. Docker's short names are expanded: "nginx" is docker.io/library/nginx.
class Reference {
  public:
    /// What a user typed. Without tag and digest both stay empty: with_default_tag() adds ":latest".
    /// Throws invalid_argument with Docker's words ("invalid reference format: repository name (library/Foo)
    /// must be lowercase", …). 64 hexadecimal digits are refused as a name, since they are an id.
    static Reference parse(std::string_view text);
    static std::optional<Reference> try_parse(std::string_view text);

    /// "docker.io", "localhost:5000", "[::1]:5000", "ghcr.io".
    const std::string& domain() const { return domain_; }
    /// "library/nginx".
    const std::string& path() const { return path_; }
    const std::optional<std::string>& tag() const { return tag_; }
    const std::optional<Digest>& digest() const { return digest_; }

    Reference with_default_tag() const;
    /// With this tag, without digest. Throws invalid_argument where the tag is malformed.
    Reference with_tag(std::string_view tag) const;
    /// With this digest, without tag.
    Reference with_digest(const Digest& digest) const;

    /// "docker.io/library/nginx".
    std::string name() const { return domain_ + '/' + path_; }
    /// As people see it: "nginx", "localhost:5000/x", without "docker.io/" and "library/".
    std::string familiar_name() const;
    /// Full: "docker.io/library/nginx:latest@sha256:…".
    std::string text() const;
    /// As people see it: "nginx:latest".
    std::string familiar() const;

    auto operator<=>(const Reference&) const = default;

  private:
    std::string domain_;
    std::string path_;
    std::optional<std::string> tag_;
    std::optional<Digest> digest_;
};

bool is_valid_tag(std::string_view tag);
/// A repository path of the distribution specification ("library/nginx"), for a registry's URLs.
bool is_valid_repository(std::string_view path);

}  // namespace berth::spec
