// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>

#include "commands.h"
#include "manifest/manifest_commands.h"
#include "manifest/manifest_lists.h"

namespace berth::app {

namespace {

constexpr std::array kFlags{
    Flag{"amend", 'a', Flag::Kind::boolean, "Amend an existing manifest list"},
    Flag{.name = "insecure",
         .kind = Flag::Kind::boolean,
         .usage = "Allow communication with an insecure registry"},
};

int run(Invocation& call) {
    const std::string& name = call.args[0];
    spec::Reference list =
        with_context("error parsing name for manifest list " + name, [&] { return parse_list_name(name); });
    ManifestLists lists(call.session);
    if (lists.contains(list) && !call.flags.boolean("amend"))
        throw Error(ErrorKind::conflict, "refusing to amend an existing manifest list with no --amend flag");
    for (size_t i = 1; i < call.args.size(); ++i) {
        spec::Reference image = parse_list_name(call.args[i]);
        std::optional<ListedManifest> manifest = lists.find(list, image);
        if (!manifest || manifest->content.empty()) {
            registry::Client client(call.session.loop(),
                                    manifest_client(image, call.flags.boolean("insecure")));
            manifest = call.session.run(fetch_manifest(client, image, session_credentials(call.session)));
        }
        lists.save(list, *manifest);
    }
    print_out(fmt::format("Created manifest list {}\n", list.text()));
    return 0;
}

}  // namespace

constexpr Command kManifestCreateCommand{
    .name = "create",
    .summary = "Create a local manifest list for annotating and pushing to a registry",
    .arguments = "MANIFEST_LIST MANIFEST [MANIFEST...]",
    .flags = kFlags,
    .min_args = 2,
    .max_args = kAnyNumber,
    .run = run,
    .experimental = true,
};

}  // namespace berth::app
