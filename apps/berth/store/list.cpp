// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>

#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"
#include "cli/format/format_flag.h"
#include "cli/format/listing.h"
#include "cli/format/units.h"
#include "cli/image/image_flags.h"
#include "commands.h"
#include "store_flags.h"

namespace berth::app {

namespace {

constexpr std::array kFlags{
    cli::kAllImagesFlag,
    cli::kDigestsFlag,
    Flag{.name = "filter",
         .shorthand = 'f',
         .kind = Flag::Kind::list,
         .usage = "Filter output based on conditions provided",
         .type = "filter"},
    Flag{.name = "format", .usage = "Format output: table or json", .default_text = "table"},
    cli::kNoTruncFlag,
    cli::quiet_flag("Only show image IDs"),
};

constexpr std::string_view kNone = "<none>";

/// One line: an image under one of its names.
struct Row {
    const store::Image* image;
    std::string repository{kNone}, tag{kNone}, digest{kNone};
};

std::vector<Row> rows_of(const store::Image& image, bool with_digests) {
    auto digest_in = [&](const std::string& name) {
        for (const spec::Reference& digest : image.digests)
            if (digest.name() == name) return digest.digest()->text();
        return std::string(kNone);
    };
    std::vector<Row> rows;
    for (const spec::Reference& tag : image.tags)
        rows.push_back({&image, tag.familiar_name(), *tag.tag(), digest_in(tag.name())});
    for (const spec::Reference& digest : image.digests) {
        bool is_shown = false;
        for (const spec::Reference& tag : image.tags) is_shown |= tag.name() == digest.name();
        if (!is_shown && (with_digests || image.tags.empty()))
            rows.push_back({&image, digest.familiar_name(), std::string(kNone), digest.digest()->text()});
    }
    if (rows.empty()) rows.push_back({&image});
    return rows;
}

std::string shown_id(const store::Image& image, bool is_full) {
    return is_full ? image.id.text() : std::string(image.id.short_hex());
}

std::string json_lines(const std::vector<Row>& rows, bool full) {
    std::string text;
    for (const Row& row : rows) {
        json::Object line;
        line["Containers"] = "N/A";
        line["CreatedAt"] = cli::go_time(row.image->created_ns / kSecond);
        line["CreatedSince"] = cli::human_ago(row.image->created_ns / kSecond);
        line["Digest"] = row.digest;
        line["ID"] = shown_id(*row.image, full);
        line["Repository"] = row.repository;
        line["SharedSize"] = "N/A";
        line["Size"] = cli::human_size(row.image->size);
        line["Tag"] = row.tag;
        line["UniqueSize"] = "N/A";
        line["VirtualSize"] = cli::human_size(row.image->size);
        text += json::print(line) + '\n';
    }
    return text;
}

std::string table(const std::vector<Row>& rows, bool full, bool with_digests) {
    std::vector<std::string> header{"REPOSITORY", "TAG"};
    if (with_digests) header.emplace_back("DIGEST");
    for (std::string_view name : {"IMAGE ID", "CREATED", "SIZE"}) header.emplace_back(name);
    std::vector<std::string> lines{join(header, "\t")};
    for (const Row& row : rows) {
        std::vector<std::string> cells{row.repository, row.tag};
        if (with_digests) cells.push_back(row.digest);
        cells.push_back(shown_id(*row.image, full));
        cells.push_back(row.image->created_ns > 0 ? cli::human_ago(row.image->created_ns / kSecond) : "N/A");
        cells.push_back(cli::human_size(row.image->size));
        lines.push_back(join(cells, "\t"));
    }
    return cli::tabulate(lines);
}

int run(Invocation& call) {
    store::ListFilters filters = parse_filters(call.flags.list("filter"));
    filters.all = call.flags.boolean("all");
    if (!call.args.empty()) filters.references.push_back(call.args[0]);
    bool full = call.flags.boolean("no-trunc"), with_digests = call.flags.boolean("digests");
    std::string format = call.flags.text("format");
    if (format != "table" && format != "json")
        throw make_error(ErrorKind::invalid_argument, "unknown format {}: there are table and json",
                         quote(format));

    store::Store store = open_store(call);
    std::vector<store::Image> images = store.list(filters);
    std::vector<Row> rows;
    std::string ids;
    for (const store::Image& image : images) {
        std::vector<Row> more = rows_of(image, with_digests);
        for (size_t i = 0; i < more.size(); ++i) ids += shown_id(image, full) + '\n';
        rows.insert(rows.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    }
    print_out(call.flags.boolean("quiet") ? ids
              : format == "json"          ? json_lines(rows, full)
                                          : table(rows, full, with_digests));
    return 0;
}

constexpr std::array<std::string_view, 2> kAliases{"store ls", "store list"};

}  // namespace

constexpr Command kStoreListCommand{
    .name = "ls",
    .summary = "List images",
    .arguments = "[OPTIONS] [REPOSITORY[:TAG]]",
    .flags = kFlags,
    .max_args = 1,
    .run = run,
    .aliases = kAliases,
};

}  // namespace berth::app
