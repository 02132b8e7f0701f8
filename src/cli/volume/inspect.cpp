// SPDX-License-Identifier: Apache-2.0
#include "cli/format/inspect.h"

#include "cli/format/format_flag.h"
#include "cli/format/object_name.h"
#include "cli/session.h"
#include "cli/volume/volume.h"

namespace berth::cli {
namespace {

constexpr Flag kFlags[] = {kInspectFormatFlag};

int run(Invocation& invocation) {
    Session& session = invocation.session;
    return inspect(
        invocation.flags.text("format"), invocation.args, "volume.Volume",
        [&](const std::string& name) { return session.call({.path = object_path("volume", name)}); });
}

}  // namespace

constinit const Command kVolumeInspectCommand = {
    .name = "inspect",
    .summary = "Display detailed information on one or more volumes",
    .arguments = "[OPTIONS] VOLUME [VOLUME...]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = kAnyNumber,
    .run = run,
    .words = Words::volumes,
};

}  // namespace berth::cli
