// SPDX-License-Identifier: Apache-2.0
#include <array>

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
    cli::kHumanFlag,
    cli::kNoTruncFlag,
    cli::quiet_flag("Only show image IDs"),
};

std::string shown_id(const std::string& id, bool full) {
    auto digest = Digest::try_parse(id);
    return digest && !full ? std::string(digest->short_hex()) : id;
}

std::string shown_command(std::string text, bool full) {
    constexpr size_t kLimit = 45;
    for (char& c : text)
        if (c == '\t' || c == '\n') c = ' ';
    if (!full && text.size() > kLimit) {
        text.resize(kLimit - 1);
        while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.pop_back();
        text += "…";
    }
    return text;
}

int run(Invocation& call) {
    bool full = call.flags.boolean("no-trunc"), human = call.flags.boolean("human");
    store::Store store = open_store(call);
    std::vector<std::string> rows{
        join({"IMAGE", human ? "CREATED" : "CREATED AT", "CREATED BY", "SIZE", "COMMENT"}, "\t")};
    std::string ids;
    for (const store::HistoryEntry& entry : store.history(store.get(call.args[0]))) {
        ids += shown_id(entry.id, full) + '\n';
        std::string created = entry.created_ns <= 0 ? "N/A"
                              : human               ? cli::human_ago(entry.created_ns / kSecond)
                                                    : rfc3339(entry.created_ns);
        rows.push_back(join({shown_id(entry.id, full), created, shown_command(entry.created_by, full),
                             human ? cli::human_size(entry.size) : std::to_string(entry.size), entry.comment},
                            "\t"));
    }
    print_out(call.flags.boolean("quiet") ? ids : cli::tabulate(rows));
    return 0;
}

}  // namespace

constexpr Command kStoreHistoryCommand{
    .name = "history",
    .summary = "Show the history of an image",
    .arguments = "[OPTIONS] IMAGE",
    .flags = kFlags,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};

}  // namespace berth::app
