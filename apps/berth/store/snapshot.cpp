// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>

#include "base/error.h"
#include "base/strings.h"
#include "cli/format/format_flag.h"
#include "cli/format/listing.h"
#include "cli/format/units.h"
#include "commands.h"
#include "interruptible.h"
#include "store/snapshots.h"
#include "store_flags.h"

namespace berth::app {

namespace {

constexpr std::array kListFlags{
    cli::kNoTruncFlag,
    cli::quiet_flag("Only show names"),
};

int run_list(Invocation& call) {
    store::Store store = open_store(call);
    std::vector<std::string> rows{join({"NAME", "LAYERS OF", "CREATED", "SIZE"}, "\t")};
    std::string names;
    for (const store::SnapshotInfo& info : store.snapshots().list()) {
        std::string parent = !info.parent                     ? "<none>"
                             : call.flags.boolean("no-trunc") ? info.parent->text()
                                                              : std::string(info.parent->short_hex());
        names += info.name + '\n';
        rows.push_back(join({info.name, parent, cli::human_ago(info.created_ns / kSecond),
                             cli::human_size(store.snapshots().snapshot_usage(info.name))},
                            "\t"));
    }
    print_out(call.flags.boolean("quiet") ? names : cli::tabulate(rows));
    return 0;
}

int run_remove(Invocation& call) {
    store::Store store = open_store(call);
    int status = 0;
    for (const std::string& name : call.args) {
        try {
            store.snapshots().remove(name);
            print_out(name + '\n');
        } catch (const Error& error) {
            print_error(fmt::format("{}\n", error.what()));
            status = 1;
        }
    }
    return status;
}

int run_diff(Invocation& call) {
    store::Store store = open_store(call);
    std::string text;
    for (const store::Change& change : store.snapshots().changes(call.args[0])) {
        char letter = change.kind == store::ChangeKind::modified ? 'C'
                      : change.kind == store::ChangeKind::added  ? 'A'
                                                                 : 'D';
        text += fmt::format("{} {}\n", letter, change.path);
    }
    print_out(text);
    return 0;
}

constexpr Command kSnapshotList{
    .name = "ls",
    .summary = "List writable snapshots",
    .arguments = "[OPTIONS]",
    .flags = kListFlags,
    .run = run_list,
};
constexpr Command kSnapshotRemove{
    .name = "rm",
    .summary = "Remove one or more writable snapshots",
    .arguments = "NAME [NAME...]",
    .min_args = 1,
    .max_args = kAnyNumber,
    .run = run_remove,
};
constexpr std::array<const Command*, 2> kChildren = {&kSnapshotList, &kSnapshotRemove};

}  // namespace

constexpr Command kStoreSnapshotCommand{
    .name = "snapshot",
    .summary = "Manage writable snapshots of images",
    .children = kChildren,
};

constexpr Command kStoreDiffCommand{
    .name = "diff",
    .summary = "Inspect changes to files or directories of a snapshot",
    .arguments = "SNAPSHOT",
    .min_args = 1,
    .max_args = 1,
    .run = run_diff,
};

}  // namespace berth::app
