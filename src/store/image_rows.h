// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/database.h"
#include "store/images.h"

/// Images as rows: what the parts of Store read and write within their transactions.
namespace berth::store {

/// Empty text: empty digest.
Digest digest_of_row(const std::string& text);
std::optional<std::string> text_of(const std::optional<Digest>& digest);

std::vector<Digest> image_ids(db::Database& database);
std::optional<Image> load_image(db::Database& database, const Digest& id);
/// Tags and digests of an image, sorted by their text.
std::vector<spec::Reference> names_of(db::Database& database, const Digest& id);
bool has_children(db::Database& database, const Digest& id);
/// Sets a tag and records a digest, whichever the name has; ":latest" where it has none.
void insert_name(db::Database& database, const spec::Reference& name, const Digest& image);
void delete_name(db::Database& database, const spec::Reference& name);

/// What a user's text stands for.
struct Resolved {
    Digest id;
    /// By which it was found, with tag or digest; nothing where it was an id.
    std::optional<spec::Reference> name;
};
/// As Docker looks it up: a digest or 64 digits are an id; else a name; else the beginning of an id. Throws
/// conflict for an ambiguous beginning.
std::optional<Resolved> resolve_image(db::Database& database, std::string_view text);
/// "No such image: nginx:latest"; or why `text` can't be the name of one.
Error no_such_image(std::string_view text);

/// RFC 3339; 0 for what isn't, and for times that nanoseconds since 1970 can't say (Go's zero time).
int64_t parse_time(std::string_view text);

/// Whether labels have all of `wanted` ("k" or "k=v").
bool match_labels(const std::map<std::string, std::string>& labels, const std::vector<std::string>& wanted);
/// Whether one of the patterns matches the name, with or without its tag (Go's path.Match).
bool match_reference(const spec::Reference& name, const std::vector<std::string>& patterns);

}  // namespace berth::store
