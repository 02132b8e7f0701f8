// SPDX-License-Identifier: Apache-2.0
#include "help.h"

#include <fmt/format.h>
#include <seccomp.h>

#include "base/strings.h"
#include "spec/runtime.h"
#include "text_table.h"

namespace berth::oci {

namespace {

/// "--bundle value, -b value": both spellings, each with its value's place.
std::string spelling(const Flag& flag) {
    std::string_view value = flag.kind == Flag::Kind::boolean ? "" : " value";
    std::string text = fmt::format("--{}{}", flag.name, value);
    if (!flag.alias.empty()) text += fmt::format(", -{}{}", flag.alias, value);
    return text;
}

std::string flag_lines(std::span<const Flag> flags) {
    TextTable table({.padding = 2, .indent = "   "});
    for (const Flag& flag : flags) {
        if (flag.hidden) continue;
        std::string usage(flag.usage);
        if (!flag.default_text.empty()) usage += fmt::format(" (default: {})", flag.default_text);
        table.add({spelling(flag), usage});
    }
    return table.text();
}

}  // namespace

std::string program_help(std::span<const Flag> global_flags) {
    TextTable list({.padding = 3, .indent = "   "});
    for (const Command* command : commands())
        list.add({std::string(command->name), std::string(command->summary)});
    list.add({"help, h", "show this page, or that of a command"});
    return fmt::format(
        "NAME:\n   {0} - the Open Container Initiative runtime of Berth\n\n"
        "It makes and runs containers from bundles: a bundle is a folder with a config.json (OCI runtime "
        "specification)\n"
        "and a root file system. To run one:\n\n    # {0} run [ -b bundle ] <container-id>\n\n"
        "USAGE:\n   {0} [global options] command [command options] [arguments...]\n\n"
        "VERSION:\n   {1}\nCOMMANDS:\n{2}\nGLOBAL OPTIONS:\n{3}",
        kProgram, version_text().substr(kProgram.size() + sizeof(" version ") - 1), list.text(),
        flag_lines(global_flags));
}

std::string command_help(const Command& command) {
    std::string text = fmt::format("NAME:\n   {0} {1} - {2}\n\nUSAGE:\n   {0} {1} [command options] {3}\n",
                                   kProgram, command.name, command.summary, command.arguments);
    if (!command.description.empty()) text += "\nDESCRIPTION:\n";
    for (std::string_view line : split(command.description, '\n')) text += fmt::format("   {}\n", line);
    std::vector<Flag> flags(command.flags.begin(), command.flags.end());
    flags.push_back(kHelpFlag);
    return text + "\nOPTIONS:\n" + flag_lines(flags);
}

std::string version_text() {
    const scmp_version* seccomp = seccomp_version();
    return fmt::format("{} version {}\ncommit: {}\nspec: {}\nlibseccomp: {}.{}.{}\n", kProgram, BERTH_VERSION,
                       BERTH_COMMIT, spec::kRuntimeSpecVersion, seccomp->major, seccomp->minor,
                       seccomp->micro);
}

}  // namespace berth::oci
