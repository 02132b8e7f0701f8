// SPDX-License-Identifier: Apache-2.0
#include "cli/image/images.h"

#include <array>

#include "cli/commands.h"
#include "cli/flag_values.h"
#include "cli/format/format_flag.h"
#include "cli/format/listing.h"
#include "cli/image/image_flags.h"
#include "cli/output.h"
#include "cli/session.h"

namespace berth::cli {

namespace {

constexpr std::array kFlags{
    kAllImagesFlag,
    kDigestsFlag,
    kFilterFlag,
    kFormatFlag,
    kNoTruncFlag,
    quiet_flag("Only show image IDs"),
    Flag{.name = "tree",
         .kind = Flag::Kind::boolean,
         .usage = "List multi-platform images as a tree (EXPERIMENTAL)"},
};

constexpr std::array kColumns{
    Column{"ID", "IMAGE ID"},
    Column{"Repository", "REPOSITORY"},
    Column{"Tag", "TAG"},
    Column{"Digest", "DIGEST"},
    Column{"CreatedSince", "CREATED"},
    Column{"CreatedAt", "CREATED AT"},
    Column{"Size", "SIZE"},
    Column{"Containers", "CONTAINERS"},
    Column{"VirtualSize", "SIZE"},
    Column{"SharedSize", "SHARED SIZE"},
    Column{"UniqueSize", "UNIQUE SIZE"},
};

#define BERTH_CREATED "{{if .CreatedSince }}{{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}"
constexpr std::string_view kTable = "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t" BERTH_CREATED;
constexpr std::string_view kDigestTable =
    "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t" BERTH_CREATED;
#undef BERTH_CREATED

/// docker's oldest format, which is still known.
std::string raw_format(bool quiet, bool digests) {
    if (quiet) return "image_id: {{.ID}}";
    std::string format = "repository: {{ .Repository }}\ntag: {{.Tag}}\n";
    if (digests) format += "digest: {{.Digest}}\n";
    return format + "image_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n";
}

std::string format_of(const Invocation& call) {
    bool quiet = call.flags.boolean("quiet"), digests = call.flags.boolean("digests");
    std::string format = call.flags.text("format");
    if (format.empty() && !quiet) format = call.session.config().text("imagesFormat").value_or("");
    if (format.empty() || format == "table")
        return std::string(quiet ? "{{.ID}}" : digests ? kDigestTable : kTable);
    if (format == "raw") return raw_format(quiet, digests);
    if (digests && format.starts_with("table") && format.find("{{.Digest}}") == format.npos)
        format += "\t{{.Digest}}";
    return format;
}

void check_tree(const Flags& flags) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kOthers{{
        {"quiet", "--quiet"},
        {"no-trunc", "--no-trunc"},
        {"digests", "--show-digest"},
        {"format", "--format"},
    }};
    for (auto [name, shown] : kOthers)
        if (name == "format" ? !flags.text("format").empty() : flags.boolean(name))
            throw make_error(ErrorKind::invalid_argument, "{} is not yet supported with --tree", shown);
}

int run(Invocation& call) {
    std::vector<std::string> filters = call.flags.list("filter");
    if (!call.args.empty() && !call.args[0].empty()) filters.push_back("reference=" + call.args[0]);
    bool is_tree = call.flags.boolean("tree"), all = call.flags.boolean("all");
    if (is_tree) check_tree(call.flags);
    std::string format = is_tree ? "" : format_of(call);

    client::Request request{.path = "/images/json"};
    if (all) request.query.emplace_back("all", "1");
    if (!filters.empty()) request.query.emplace_back("filters", client::filters_json(filters));
    if (is_tree) request.query.emplace_back("manifests", "1");
    json::Value images = call.session.call(std::move(request));
    if (!images.is_array()) images = json::Array();
    if (is_tree) {
        print_out(image_tree(images.get_array(), all, call.session));
        return 0;
    }

    ImageRowOptions options{.truncate = !call.flags.boolean("no-trunc"),
                            .digest_rows = call.flags.boolean("digests")};
    options.digests = options.digest_rows || format.find("{{.Digest}}") != format.npos;
    Listing listing(format, kColumns, kTable, "*formatter.imageContext");
    for (const json::Value& image : images.get_array())
        for (const Row& row : image_rows(image, options)) listing.add(row);
    print_out(listing.text());
    return 0;
}

constexpr std::array<std::string_view, 3> kAliases{"image ls", "image list", "images"};

}  // namespace

constexpr Command kImagesCommand{
    .name = "images",
    .summary = "List images",
    .arguments = "[OPTIONS] [REPOSITORY[:TAG]]",
    .flags = kFlags,
    .max_args = 1,
    .run = run,
    .aliases = kAliases,
    .words = Words::images,
};

}  // namespace berth::cli
