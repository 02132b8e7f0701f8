// SPDX-License-Identifier: Apache-2.0
#include "cli/format/object_name.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/volume/volume.h"

namespace berth::cli {
namespace {

constexpr Flag kFlags[] = {
    {"force", 'f', Flag::Kind::boolean, "Force the removal of one or more volumes"},
};

void remove(Session& session, const std::string& name, bool is_forced) {
    client::Request request;
    request.method = "DELETE";
    request.path = object_path("volume", name);
    if (is_forced) request.query.emplace_back("force", "1");
    session.call(std::move(request));
}

int run(Invocation& invocation) {
    std::string errors;
    for (const std::string& name : invocation.args) {
        try {
            remove(invocation.session, name, invocation.flags.boolean("force"));
            print_out(name + '\n');
        } catch (const Error& error) {
            if (!errors.empty()) errors += '\n';
            errors += error_line(error);
        }
    }
    if (!errors.empty()) throw ExitStatus{1, errors};
    return 0;
}

constexpr std::string_view kAliases[] = {"volume rm", "volume remove"};

}  // namespace

constinit const Command kVolumeRmCommand = {
    .name = "rm",
    .summary = "Remove one or more volumes",
    .arguments = "[OPTIONS] VOLUME [VOLUME...]",
    .description = "Remove one or more volumes. You cannot remove a volume that is in use by a container.",
    .flags = kFlags,
    .min_args = 1,
    .max_args = kAnyNumber,
    .run = run,
    .aliases = kAliases,
    .words = Words::volumes,
};

}  // namespace berth::cli
