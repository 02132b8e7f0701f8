// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <new>

#include "base/error.h"
#include "commands.h"
#include "output.h"

namespace berth::app {

namespace {

constexpr int kUsageStatus = 1;      ///< wrong words
constexpr int kBadFlagStatus = 125;  ///< docker's, for flags

constexpr std::array<const Command*, 7> kChildren = {
    &kDaemonCommand,   &kImageCommand,  &kLoginCommand,   &kLogoutCommand,
    &kRegistryCommand, &kSystemCommand, &kVersionCommand,
};

constexpr std::array kFlags{
    Flag{.name = "help",
         .shorthand = 'h',
         .kind = Flag::Kind::boolean,
         .usage = "Print usage",
         .hidden = true},
    Flag{.name = "version",
         .shorthand = 'v',
         .kind = Flag::Kind::boolean,
         .usage = "Print version information and quit",
         .hidden = true},
};

const Command* find_child(const Command& group, std::string_view name) {
    for (const Command* child : group.children)
        if (child->name == name || std::ranges::find(child->aliases, name) != child->aliases.end())
            return child;
    return nullptr;
}

std::string usage_line(const Command& command, const std::string& path) {
    std::string_view arguments = command.run ? command.arguments : "COMMAND";
    return fmt::format("Usage:  {}{}{}\n", path, arguments.empty() ? "" : " ", arguments);
}

std::string command_help(const Command& command, const std::string& path) {
    std::string text = usage_line(command, path);
    fmt::format_to(std::back_inserter(text), "\n{}\n",
                   command.description.empty() ? command.summary : command.description);
    if (!command.aliases.empty()) {
        text += "\nAliases:\n  " + path;
        std::string group = path.substr(0, path.rfind(' ') + 1);
        for (std::string_view alias : command.aliases) text += fmt::format(", {}{}", group, alias);
        text += '\n';
    }
    size_t width = 0;
    for (const Command* child : command.children) width = std::max(width, child->name.size() + 3);
    if (!command.children.empty()) text += "\nCommands:\n";
    for (const Command* child : command.children)
        fmt::format_to(std::back_inserter(text), "  {:<{}}{}\n", child->name, width, child->summary);
    return text;
}

std::string help(const Command& command, const std::string& path, const Flags& flags) {
    std::string text = command_help(command, path);
    if (std::string options = flag_help(flags.tables(), 80); !options.empty())
        text += "\nOptions:\n" + options;
    if (!command.run)
        fmt::format_to(std::back_inserter(text),
                       "\nRun '{} COMMAND --help' for more information on a command.\n", path);
    return text;
}

std::string hint(const std::string& path) {
    return fmt::format("\nRun '{} --help' for more information\n", path);
}

/// Docker's words: "'berth image tag' requires 2 arguments".
std::string wrong_count(const Command& command, const std::string& path) {
    auto plural = [](size_t count) { return count == 1 ? "argument" : "arguments"; };
    std::string needs;
    if (command.max_args == 0)
        needs = "accepts no arguments";
    else if (command.min_args == command.max_args)
        needs = fmt::format("requires {} {}", command.min_args, plural(command.min_args));
    else if (command.max_args == kAnyNumber)
        needs = fmt::format("requires at least {} {}", command.min_args, plural(command.min_args));
    else if (command.min_args == 0)
        needs = fmt::format("requires at most {} {}", command.max_args, plural(command.max_args));
    else
        needs =
            fmt::format("requires at least {} and at most {} arguments", command.min_args, command.max_args);
    return fmt::format("berth: '{}' {}\n\n{}{}", path, needs, usage_line(command, path), hint(path));
}

/// Walks down the tree to the command that the words name; calls it.
int dispatch(const std::vector<std::string>& words) {
    Invocation call{kBerthCommand, "berth", {}, {}};
    const Command* command = &kBerthCommand;
    call.flags.add_table(kBerthCommand.flags);
    std::span<const std::string> rest = words;
    try {
        while (!command->run || (!rest.empty() && find_child(*command, rest.front()))) {
            // What a command takes is not for those below it.
            if (command->run) call.flags = Flags{};
            if (command->run) call.flags.add_table(kBerthCommand.flags);
            rest = rest.subspan(parse_flags(call.flags, rest, false, call.args));
            if (call.flags.boolean("help") || (rest.empty() && !call.flags.boolean("version")))
                return print_out(help(*command, call.path, call.flags)), 0;
            if (call.flags.boolean("version")) {
                command = &kVersionCommand;
                break;
            }
            const Command* child = find_child(*command, rest.front());
            if (!child) {
                print_error(
                    fmt::format("berth: unknown command: {} {}\n{}{}", call.path, rest.front(),
                                command == &kBerthCommand ? "" : '\n' + usage_line(*command, call.path),
                                hint(call.path)));
                return kUsageStatus;
            }
            command = child;
            call.path += fmt::format(" {}", child->name);
            call.flags.add_table(child->flags);
            rest = rest.subspan(1);
        }
        parse_flags(call.flags, rest, true, call.args);
    } catch (const Error& error) {
        print_error(
            fmt::format("{}\n\n{}{}", error.what(), usage_line(*command, call.path), hint(call.path)));
        return kBadFlagStatus;
    }
    if (call.flags.boolean("help")) return print_out(help(*command, call.path, call.flags)), 0;
    if (call.args.size() < command->min_args || call.args.size() > command->max_args) {
        print_error(wrong_count(*command, call.path));
        return kUsageStatus;
    }
    Invocation ready{*command, std::move(call.path), std::move(call.flags), std::move(call.args)};
    return command->run(ready);
}

}  // namespace

constexpr Command kBerthCommand{
    .name = "berth",
    .summary = "Images, registries and containers",
    .flags = kFlags,
    .children = kChildren,
};

int berth_main(const std::vector<std::string>& words) {
    try {
        return dispatch(words);
    } catch (const Interrupted& interrupted) {
        return 128 + interrupted.signal;
    } catch (const OutputClosed&) {
        return 1;
    } catch (const std::bad_alloc&) {
        print_error("Error: out of memory\n");
    } catch (...) {
        print_error(fmt::format("Error: {}\n", current_exception_message()));
    }
    return 1;
}

}  // namespace berth::app
