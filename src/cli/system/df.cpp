// SPDX-License-Identifier: Apache-2.0
#include "cli/format/format_flag.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/system/disk_usage.h"
#include "cli/system/system.h"

namespace berth::cli {
namespace {

constexpr Flag kFlags[] = {
    kFormatFlag,
    {"verbose", 'v', Flag::Kind::boolean, "Show detailed information on space usage"},
};

int run(Invocation& invocation) {
    json::Value usage = invocation.session.call({.path = "/system/df"});
    std::string format = invocation.flags.text("format");
    print_out(invocation.flags.boolean("verbose") ? verbose_disk_usage_text(usage, format)
                                                  : disk_usage_text(usage, format));
    return 0;
}

}  // namespace

constinit const Command kSystemDfCommand = {
    .name = "df",
    .summary = "Show docker disk usage",
    .arguments = "[OPTIONS]",
    .flags = kFlags,
    .run = run,
};

}  // namespace berth::cli
