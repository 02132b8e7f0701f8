// SPDX-License-Identifier: Apache-2.0
#include "store/image_rows.h"

#include <fnmatch.h>

#include <algorithm>

#include "base/strings.h"
#include "spec/timestamp.h"

namespace berth::store {

namespace {

bool is_hex(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::optional<Digest> find_by_name(db::Database& database, const spec::Reference& name) {
    db::Statement row =
        name.digest() ? database.prepare("SELECT image FROM repo_digests WHERE repository = ? AND digest = ?")
                            .with(name.name(), name.digest()->text())
                      : database.prepare("SELECT image FROM tags WHERE repository = ? AND tag = ?")
                            .with(name.name(), name.tag().value_or("latest"));
    if (!row.step()) return std::nullopt;
    return Digest::parse(row.text(0));
}

Error ambiguous(db::Database& database, std::string_view text, const std::vector<Digest>& candidates) {
    std::vector<std::string> lines;
    for (const Digest& id : candidates) {
        std::vector<spec::Reference> names = names_of(database, id);
        lines.push_back(
            fmt::format("{} ({})", id.short_hex(), names.empty() ? "<none>" : names[0].familiar()));
    }
    return make_error(ErrorKind::conflict, "ambiguous image id {}: it is the beginning of {}", quote(text),
                      join(lines, ", "));
}

std::optional<Digest> find_by_prefix(db::Database& database, std::string_view text) {
    constexpr std::string_view kAlgorithm = "sha256:";
    std::string_view hex = text;
    if (hex.starts_with(kAlgorithm)) hex.remove_prefix(kAlgorithm.size());
    if (!is_hex(hex) || hex.size() > 64) return std::nullopt;
    std::vector<Digest> found;
    {
        // 'g' comes after the digits.
        std::string first = fmt::format("{}{}", kAlgorithm, hex), end = first + 'g';
        db::Statement rows =
            database.prepare("SELECT id FROM images WHERE id >= ? AND id < ? ORDER BY id LIMIT 6")
                .with(first, end);
        while (rows.step()) found.push_back(Digest::parse(rows.text(0)));
    }
    if (found.empty()) return std::nullopt;
    if (found.size() > 1) throw ambiguous(database, text, found);
    return found.front();
}

void load_layers(db::Database& database, Image& image) {
    db::Statement rows = database
                             .prepare(
                                 "SELECT diff_id, chain_id, blob, media_type, blob_size, "
                                 "(SELECT size FROM layers WHERE layers.chain_id = image_layers.chain_id "
                                 "AND state = 'ready') FROM image_layers WHERE image = ? ORDER BY position")
                             .with(image.id.text());
    while (rows.step()) {
        LayerBlob layer{.diff_id = digest_of_row(rows.text(0)), .blob = {}};
        layer.blob.digest = digest_of_row(rows.text(2));
        layer.blob.mediaType = rows.text(3);
        layer.blob.size = rows.integer(4);
        image.layers.push_back(std::move(layer));
        if (!rows.is_null(1)) image.chain_ids.push_back(Digest::parse(rows.text(1)));
        if (!rows.is_null(5)) image.size += static_cast<uint64_t>(rows.integer(5));
    }
}

}  // namespace

Digest digest_of_row(const std::string& text) {
    return text.empty() ? Digest() : Digest::parse(text);
}

std::optional<std::string> text_of(const std::optional<Digest>& digest) {
    if (!digest) return std::nullopt;
    return digest->text();
}

std::vector<Digest> image_ids(db::Database& database) {
    std::vector<Digest> ids;
    db::Statement rows = database.prepare("SELECT id FROM images ORDER BY created_ns DESC, id");
    while (rows.step()) ids.push_back(Digest::parse(rows.text(0)));
    return ids;
}

std::optional<Image> load_image(db::Database& database, const Digest& id) {
    Image image{.id = id};
    {
        db::Statement row =
            database
                .prepare(
                    "SELECT kind, os, architecture, variant, os_version, created_ns, added_ns, "
                    "manifest, parent, is_unpacked FROM images WHERE id = ?")
                .with(id.text());
        if (!row.step()) return std::nullopt;
        image.kind = row.text(0) == "artifact" ? ImageKind::artifact : ImageKind::image;
        image.platform.os = row.text(1);
        image.platform.architecture = row.text(2);
        image.platform.variant = row.text(3);
        image.platform.os_version = row.text(4);
        image.created_ns = row.integer(5);
        image.added_ns = row.integer(6);
        if (!row.is_null(7)) image.manifest = Digest::parse(row.text(7));
        if (!row.is_null(8)) image.parent = Digest::parse(row.text(8));
        image.is_unpacked = row.integer(9) != 0;
    }
    load_layers(database, image);
    for (spec::Reference& name : names_of(database, id))
        (name.digest() ? image.digests : image.tags).push_back(std::move(name));
    return image;
}

std::vector<spec::Reference> names_of(db::Database& database, const Digest& id) {
    std::vector<std::string> texts;
    db::Statement rows = database
                             .prepare(
                                 "SELECT repository || ':' || tag FROM tags WHERE image = ?1 UNION ALL "
                                 "SELECT repository || '@' || digest FROM repo_digests WHERE image = ?1")
                             .with(id.text());
    while (rows.step()) texts.push_back(rows.text(0));
    std::sort(texts.begin(), texts.end());
    std::vector<spec::Reference> names;
    for (const std::string& text : texts) names.push_back(spec::Reference::parse(text));
    return names;
}

bool has_children(db::Database& database, const Digest& id) {
    return database.prepare("SELECT 1 FROM images WHERE parent = ? LIMIT 1").with(id.text()).step();
}

void insert_name(db::Database& database, const spec::Reference& name, const Digest& image) {
    if (name.digest())
        database.run(
            "INSERT INTO repo_digests(repository, digest, image) VALUES (?, ?, ?) "
            "ON CONFLICT (repository, digest) DO UPDATE SET image = excluded.image",
            name.name(), name.digest()->text(), image.text());
    if (name.tag() || !name.digest())
        database.run(
            "INSERT INTO tags(repository, tag, image) VALUES (?, ?, ?) "
            "ON CONFLICT (repository, tag) DO UPDATE SET image = excluded.image",
            name.name(), name.tag().value_or("latest"), image.text());
}

void delete_name(db::Database& database, const spec::Reference& name) {
    if (name.digest())
        database.run("DELETE FROM repo_digests WHERE repository = ? AND digest = ?", name.name(),
                     name.digest()->text());
    else
        database.run("DELETE FROM tags WHERE repository = ? AND tag = ?", name.name(),
                     name.tag().value_or("latest"));
}

std::optional<Resolved> resolve_image(db::Database& database, std::string_view text) {
    std::string whole =
        is_hex(text) && text.size() == 64 ? fmt::format("sha256:{}", text) : std::string(text);
    if (std::optional<Digest> id = Digest::try_parse(whole)) {
        if (!database.prepare("SELECT 1 FROM images WHERE id = ?").with(id->text()).step())
            return std::nullopt;
        return Resolved{.id = *id, .name = {}};
    }
    if (std::optional<spec::Reference> name = spec::Reference::try_parse(text)) {
        // A digest says all: a tag beside it is not looked at.
        spec::Reference key = name->digest() ? name->with_digest(*name->digest()) : name->with_default_tag();
        if (std::optional<Digest> id = find_by_name(database, key)) return Resolved{.id = *id, .name = key};
    }
    if (std::optional<Digest> id = find_by_prefix(database, text)) return Resolved{.id = *id, .name = {}};
    return std::nullopt;
}

Error no_such_image(std::string_view text) {
    std::string shown(text);
    bool is_id = Digest::try_parse(text).has_value() || (is_hex(text) && text.size() == 64);
    if (!is_id) {
        try {
            spec::Reference name = spec::Reference::parse(text);
            shown = (name.digest() ? name : name.with_default_tag()).familiar();
        } catch (const Error& error) {
            return error;
        }
    }
    return make_error(ErrorKind::not_found, "No such image: {}", shown);
}

int64_t parse_time(std::string_view text) {
    return spec::parse_rfc3339(text).value_or(0);
}

bool match_labels(const std::map<std::string, std::string>& labels, const std::vector<std::string>& wanted) {
    return std::all_of(wanted.begin(), wanted.end(), [&](const std::string& text) {
        size_t equals = text.find('=');
        auto label = labels.find(text.substr(0, equals));
        return label != labels.end() &&
               (equals == std::string::npos || label->second == text.substr(equals + 1));
    });
}

bool match_reference(const spec::Reference& name, const std::vector<std::string>& patterns) {
    std::string whole = name.familiar(), bare = name.familiar_name();
    return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
        return ::fnmatch(pattern.c_str(), whole.c_str(), FNM_PATHNAME) == 0 ||
               ::fnmatch(pattern.c_str(), bare.c_str(), FNM_PATHNAME) == 0;
    });
}

}  // namespace berth::store
