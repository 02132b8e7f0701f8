// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "cli/commands.h"
#include "cli/format/object_name.h"
#include "cli/output.h"
#include "cli/session.h"
#include "spec/reference.h"

namespace berth::cli {

namespace {

constexpr Flag kFlags[] = {
    {"author", 'a', Flag::Kind::text, "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")"},
    {"change", 'c', Flag::Kind::list, "Apply Dockerfile instruction to the created image"},
    {"message", 'm', Flag::Kind::text, "Commit message"},
    {.name = "pause",
     .shorthand = 'p',
     .kind = Flag::Kind::boolean,
     .usage = "Pause container during commit",
     .default_text = "true"},
};

int run(Invocation& call) {
    object_segment("container", call.args[0]);  // refuses an empty one
    std::string container(trim(call.args[0]));
    client::Query query = {{"author", call.flags.text("author")},
                           {"comment", call.flags.text("message")},
                           {"container", container}};
    std::string repository, tag;
    if (call.args.size() > 1 && !call.args[1].empty()) {
        auto reference = spec::Reference::parse(call.args[1]);
        if (reference.digest())
            throw Error(ErrorKind::invalid_argument, "refusing to create a tag with a digest reference");
        repository = reference.name();
        tag = *reference.with_default_tag().tag();
    }
    query.emplace_back("repo", repository);
    query.emplace_back("tag", tag);
    for (const std::string& change : call.flags.list("change")) query.emplace_back("changes", change);
    if (!call.flags.boolean("pause")) query.emplace_back("pause", "0");
    json::Value image = call.session.call({.method = "POST", .path = "/commit", .query = std::move(query)});
    print_out(client::text_at(image, "Id") + '\n');
    return 0;
}

constexpr std::string_view kAliases[] = {"container commit", "commit"};

}  // namespace

constinit const Command kCommitCommand = {
    .name = "commit",
    .summary = "Create a new image from a container's changes",
    .arguments = "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = 2,
    .run = run,
    .aliases = kAliases,
    .ends_flags_at_word = true,
    .words = Words::containers,
};

}  // namespace berth::cli
