// SPDX-License-Identifier: Apache-2.0
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/output.h"
#include "cli/session.h"

namespace berth::cli {

namespace {

constexpr Flag kFlags[] = {
    {.name = "no-descriptions", .kind = Flag::Kind::boolean, .usage = "disable completion descriptions"},
};

int run(Invocation& call) {
    print_out(
        completion_script(call.command.name, call.session.program(), !call.flags.boolean("no-descriptions")));
    return 0;
}

constexpr Command kBash{
    .name = "bash",
    .summary = "Generate the autocompletion script for bash",
    .description =
        "Generate the autocompletion script for the bash shell.\n\n"
        "Load it into the present shell:\n\n"
        "\tsource <(berth completion bash)\n\n"
        "or into all new ones:\n\n"
        "\tberth completion bash > /etc/bash_completion.d/berth",
    .flags = kFlags,
    .run = run,
};

constexpr Command kZsh{
    .name = "zsh",
    .summary = "Generate the autocompletion script for zsh",
    .description =
        "Generate the autocompletion script for the zsh shell.\n\n"
        "Load it into all new ones:\n\n"
        "\tberth completion zsh > \"${fpath[1]}/_berth\"",
    .flags = kFlags,
    .run = run,
};

constexpr Command kFish{
    .name = "fish",
    .summary = "Generate the autocompletion script for fish",
    .description =
        "Generate the autocompletion script for the fish shell.\n\n"
        "Load it into all new ones:\n\n"
        "\tberth completion fish > ~/.config/fish/completions/berth.fish",
    .flags = kFlags,
    .run = run,
};

constexpr Command kPowerShell{
    .name = "powershell",
    .summary = "Generate the autocompletion script for powershell",
    .description =
        "Generate the autocompletion script for powershell.\n\n"
        "Load it into the present shell, or by the same line in your profile into all\n"
        "new ones:\n\n"
        "\tberth completion powershell | Out-String | Invoke-Expression",
    .flags = kFlags,
    .run = run,
};

constexpr const Command* kChildren[] = {&kBash, &kFish, &kPowerShell, &kZsh};

}  // namespace

constexpr Command kCompletionCommand{
    .name = "completion",
    .summary = "Generate the autocompletion script for the specified shell",
    .children = kChildren,
    .section = "Commands",
};

}  // namespace berth::cli
