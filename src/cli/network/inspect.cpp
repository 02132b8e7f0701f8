// SPDX-License-Identifier: Apache-2.0
#include "cli/format/inspect.h"

#include "cli/format/format_flag.h"
#include "cli/format/object_name.h"
#include "cli/network/network.h"
#include "cli/session.h"

namespace berth::cli {
namespace {

constexpr Flag kFlags[] = {
    kInspectFormatFlag,
    {"verbose", 'v', Flag::Kind::boolean, "Verbose output for diagnostics"},
};

int run(Invocation& invocation) {
    Session& session = invocation.session;
    bool is_verbose = invocation.flags.boolean("verbose");
    return inspect(invocation.flags.text("format"), invocation.args, "network.Inspect",
                   [&](const std::string& name) {
                       client::Request request;
                       request.path = object_path("network", name);
                       if (is_verbose) request.query.emplace_back("verbose", "true");
                       return session.call(std::move(request));
                   });
}

}  // namespace

constinit const Command kNetworkInspectCommand = {
    .name = "inspect",
    .summary = "Display detailed information on one or more networks",
    .arguments = "[OPTIONS] NETWORK [NETWORK...]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = kAnyNumber,
    .run = run,
    .words = Words::networks,
};

}  // namespace berth::cli
