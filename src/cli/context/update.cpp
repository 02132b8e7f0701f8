// SPDX-License-Identifier: Apache-2.0
#include "cli/context/context.h"

namespace berth::cli {
namespace {

int run(Invocation& invocation) {
    Session& session = invocation.session;
    const Flags& flags = invocation.flags;
    const std::string& name = invocation.args[0];
    client::check_context_name(name);
    client::ContextStore store = context_store(session);
    client::ContextStore::Context context = store.get(name);
    if (std::string description = flags.text("description"); !description.empty())
        context.metadata["Description"] = description;
    std::optional<WholeContext> changed;
    if (flags.is_set("docker")) {
        changed = parse_docker_flag(session, flags.list("docker"));
        context.endpoints["docker"] = changed->context.endpoints["docker"];
    }
    store.save(context);
    if (changed) store.save_tls_files(name, changed->tls);
    print_done("updated", name);
    return 0;
}

constexpr Flag kFlags[] = {
    kContextDescriptionFlag,
    kDockerEndpointFlag,
};

}  // namespace

constinit const Command kContextUpdateCommand = {
    .name = "update",
    .summary = "Update a context",
    .arguments = "[OPTIONS] CONTEXT",
    .description = BERTH_CONTEXT_HELP("Update", "update"),
    .flags = kFlags,
    .min_args = 1,
    .max_args = 1,
    .run = run,
    .words = Words::contexts,
};

}  // namespace berth::cli
