// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "cli/context/context.h"
#include "cli/output.h"

namespace berth::cli {
namespace {

void remove(Session& session, const std::string& name, bool force) {
    if (name == client::kDefaultContext)
        throw Error(ErrorKind::invalid_argument, "context \"default\" cannot be removed");
    client::ContextStore store = context_store(session);
    if (!force && !store.find(name))
        throw make_error(ErrorKind::not_found, "context {} does not exist", quote(name));
    if (name == current_context(session)) {
        if (!force)
            throw make_error(ErrorKind::conflict, "context {} is in use, set -f flag to force remove",
                             quote(name));
        session.config().set_text("currentContext", "");
    }
    store.remove(name);
}

int run(Invocation& invocation) {
    std::vector<std::string> failures;
    for (const std::string& name : invocation.args) {
        try {
            remove(invocation.session, name, invocation.flags.boolean("force"));
            print_out(name + '\n');
        } catch (const Error& error) {
            failures.emplace_back(error.what());
        }
    }
    if (!failures.empty()) throw Error(ErrorKind::conflict, join(failures, "\n"));
    return 0;
}

constexpr Flag kFlags[] = {
    {"force", 'f', Flag::Kind::boolean, "Force the removal of a context in use"},
};
constexpr std::string_view kAliases[] = {"context rm", "context remove"};

}  // namespace

constinit const Command kContextRmCommand = {
    .name = "rm",
    .summary = "Remove one or more contexts",
    .arguments = "CONTEXT [CONTEXT...]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = kAnyNumber,
    .run = run,
    .aliases = kAliases,
    .words = Words::contexts,
};

}  // namespace berth::cli
