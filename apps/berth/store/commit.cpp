// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "base/error.h"
#include "cli/image/image_flags.h"
#include "commands.h"
#include "store/derive.h"
#include "store_flags.h"

namespace berth::app {

namespace {

constexpr std::array kFlags{
    Flag{.name = "author",
         .shorthand = 'a',
         .usage = "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")"},
    Flag{.name = "base", .usage = "Image that the snapshot was made from, where several have its layers"},
    cli::kChangeFlag,
    Flag{.name = "message", .shorthand = 'm', .usage = "Commit message"},
    Flag{.name = "pause",
         .shorthand = 'p',
         .kind = Flag::Kind::boolean,
         .usage = "Accepted for docker's sake: no container runs here",
         .default_text = "true",
         .hidden = true},
};

int run(Invocation& call) {
    store::NewImageText text;
    text.author = call.flags.text("author");
    text.message = call.flags.text("message");
    text.changes = call.flags.list("change");
    if (call.args.size() > 1) {
        spec::Reference name = spec::Reference::parse(call.args[1]);
        if (name.digest()) throw Error(ErrorKind::invalid_argument, "cannot commit to digest reference");
        text.names = {name.with_default_tag()};
    }
    store::Store store = open_store(call);
    auto snapshot = store.snapshots().find(call.args[0]);
    if (!snapshot) throw make_error(ErrorKind::not_found, "No such snapshot: {}", call.args[0]);
    std::optional<store::Image> base;
    if (call.flags.is_set("base")) {
        base = store.get(call.flags.text("base"));
        if (base->top_chain_id() != snapshot->parent)
            throw make_error(ErrorKind::invalid_argument, "snapshot {} was not made from {}", snapshot->name,
                             call.flags.text("base"));
    } else {
        base = store::base_of(store, *snapshot);
    }
    print_out(store::commit_image(store, snapshot->name, base, text).id.text() + '\n');
    return 0;
}

}  // namespace

constexpr Command kStoreCommitCommand{
    .name = "commit",
    .summary = "Create a new image from a snapshot's changes",
    .arguments = "[OPTIONS] SNAPSHOT [REPOSITORY[:TAG]]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = 2,
    .run = run,
};

}  // namespace berth::app
