// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"
#include "cli/format/object_name.h"
#include "cli/output.h"
#include "cli/session.h"
#include "client/json_path.h"

namespace berth::cli {

namespace {

std::string_view kind_letter(int64_t kind) {
    constexpr std::string_view kLetters[] = {"C", "A", "D"};
    return kind >= 0 && kind < 3 ? kLetters[kind] : "";
}

int run(Invocation& call) {
    if (call.args[0].empty()) throw Error(ErrorKind::invalid_argument, "Container name cannot be empty");
    json::Value changes = call.session.call({.path = object_path("container", call.args[0], "/changes")});
    std::string text;
    for (const json::Value& change : client::items_of(changes))
        text += fmt::format("{} {}\n", kind_letter(client::number_at(change, "Kind")),
                            client::text_at(change, "Path"));
    print_out(text);
    return 0;
}

constexpr std::string_view kAliases[] = {"container diff", "diff"};

}  // namespace

constinit const Command kDiffCommand = {
    .name = "diff",
    .summary = "Inspect changes to files or directories on a container's filesystem",
    .arguments = "CONTAINER",
    .min_args = 1,
    .max_args = 1,
    .run = run,
    .aliases = kAliases,
    .words = Words::containers,
};

}  // namespace berth::cli
