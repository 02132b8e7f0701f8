// SPDX-License-Identifier: Apache-2.0
#include "cli/context/context.h"

namespace berth::cli {
namespace {

WholeContext make(Session& session, const Flags& flags) {
    std::string from = flags.text("from");
    if (from.empty() && flags.is_set("docker")) return parse_docker_flag(session, flags.list("docker"));
    if (!from.empty() && !flags.list("docker").empty())
        throw Error(ErrorKind::invalid_argument, "cannot use --docker flag when --from is set");
    WholeContext copied = read_context(session, from.empty() ? current_context(session) : from);
    if (copied.context.name == client::kDefaultContext)
        copied.context.metadata["Description"] = kDefaultDescription;
    return copied;
}

int run(Invocation& invocation) {
    Session& session = invocation.session;
    const std::string& name = invocation.args[0];
    client::ContextStore store = context_store(session);
    check_new_context(store, name);
    WholeContext whole = make(session, invocation.flags);
    whole.context.name = name;
    if (std::string description = invocation.flags.text("description"); !description.empty())
        whole.context.metadata["Description"] = description;
    store.save(whole.context);
    store.save_tls_files(name, whole.tls);
    print_done("created", name);
    return 0;
}

constexpr Flag kFlags[] = {
    kContextDescriptionFlag,
    kDockerEndpointFlag,
    {.name = "from", .usage = "create context from a named context", .words = Words::contexts},
};

}  // namespace

constinit const Command kContextCreateCommand = {
    .name = "create",
    .summary = "Create a context",
    .arguments = "[OPTIONS] CONTEXT",
    .description = BERTH_CONTEXT_HELP("Create", "create"),
    .flags = kFlags,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};

}  // namespace berth::cli
