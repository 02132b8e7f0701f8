// SPDX-License-Identifier: Apache-2.0
#include "cli/format/object_name.h"
#include "cli/network/network.h"
#include "cli/session.h"

namespace berth::cli {
namespace {

constexpr Flag kFlags[] = {
    {"force", 'f', Flag::Kind::boolean, "Force the container to disconnect from a network"},
};

int run(Invocation& invocation) {
    invocation.session.call({.method = "POST",
                             .path = object_path("network", invocation.args[0], "/disconnect"),
                             .body = json::Object{{"Container", invocation.args[1]},
                                                  {"Force", invocation.flags.boolean("force")}}});
    return 0;
}

}  // namespace

constinit const Command kNetworkDisconnectCommand = {
    .name = "disconnect",
    .summary = "Disconnect a container from a network",
    .arguments = "[OPTIONS] NETWORK CONTAINER",
    .flags = kFlags,
    .min_args = 2,
    .max_args = 2,
    .run = run,
    .words = Words::networks,
};

}  // namespace berth::cli
