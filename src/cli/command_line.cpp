// SPDX-License-Identifier: Apache-2.0
// From the program's words to a command's run function, and from what it throws to stderr and the exit
// status.
//
//   [global flags] group [group's flags] … command [flags and words]
#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <new>

#include "base/error.h"
#include "base/strings.h"
#include "cli/advice.h"
#include "cli/command.h"
#include "cli/completion.h"
#include "cli/output.h"
#include "cli/plugin_call.h"
#include "cli/session.h"
#include "cli/suggest.h"

namespace berth::cli {

namespace {

constexpr int kUsageStatus = 1;      ///< wrong words
constexpr int kBadFlagStatus = 125;  ///< docker's, for flags

constexpr std::array kHelpFlags{
    Flag{.name = "help",
         .shorthand = 'h',
         .kind = Flag::Kind::boolean,
         .usage = "Print usage",
         .hidden = true},
};

size_t screen_width() {
    winsize size{};
    return ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 80;
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
    std::string result(text);
    for (size_t at = 0; (at = result.find(from, at)) != std::string::npos; at += to.size())
        result.replace(at, from.size(), to);
    return result;
}

/// The root's help, where the defaults depend on who asks.
std::string root_help(const Place& root) {
    const char* home = getenv("HOME");
    const char* folder = getenv("DOCKER_CONFIG");
    std::string settings = folder && *folder ? folder : fmt::format("{}/.docker", home ? home : "");
    std::vector<Flag> flags(global_flags().begin(), global_flags().end());
    std::vector<std::string> texts;
    texts.reserve(flags.size() * 2);
    for (Flag& flag : flags) {
        flag.default_text = texts.emplace_back(replaced(flag.default_text, "~/.docker", settings));
        flag.usage = texts.emplace_back(
            replaced(flag.usage, "docker context", fmt::format("{} context", root.program)));
    }
    std::array<std::span<const Flag>, 1> tables{flags};
    return help_text(root, tables, screen_width());
}

std::string show_help(const Place& place, const Flags& flags) {
    return place.words.empty() ? root_help(place) : help_text(place, flags.tables(), screen_width());
}

std::string hint(const Place& place, std::string_view verb = "Run") {
    return fmt::format("\n{} '{} --help' for more information\n", verb, place.path());
}

/// Docker's words: "'docker image tag' requires 2 arguments".
std::string wrong_count(const Place& place) {
    const Command& command = *place.command;
    auto plural = [](size_t count) { return count == 1 ? "argument" : "arguments"; };
    std::string needs;
    std::string_view verb = "Run";
    if (command.max_args == 0) {
        needs = "accepts no arguments";
    } else if (command.min_args == command.max_args) {
        needs = fmt::format("requires {} {}", command.min_args, plural(command.min_args));
    } else if (command.max_args == kAnyNumber) {
        needs = fmt::format("requires at least {} {}", command.min_args, plural(command.min_args));
        verb = "See";
    } else if (command.min_args == 0) {
        needs = fmt::format("requires at most {} {}", command.max_args, plural(command.max_args));
        // A slip of docker 28's. Who compares the bytes gets it; people don't.
        if (!isatty(STDERR_FILENO)) verb = "SRun";
    } else {
        needs = fmt::format("requires at least {} and at most {} {}", command.min_args, command.max_args,
                            plural(command.max_args));
    }
    return fmt::format("{}: '{}' {}\n\n{}{}", place.program, place.path(), needs, usage_line(place),
                       hint(place, verb));
}

/// One call of the program.
class CommandLine {
  public:
    CommandLine(const Command& root, std::string_view program, std::span<const std::string> words)
        : root_(root), place_{program, &root, {}}, words_(words), rest_(words) {
        global_.add_table(global_flags());
        global_.add_table(kHelpFlags);
        flags_.add_table(kHelpFlags);
    }

    int run() {
        try {
            return walk();
        } catch (const Interrupted& interrupted) {
            return 128 + interrupted.signal;
        } catch (const OutputClosed&) {
            // As what other programs do whose reader went away; who ignores the signal gets a status.
            signal(SIGPIPE, SIG_DFL);
            raise(SIGPIPE);
        } catch (const ExitStatus& exit) {
            if (!exit.message.empty()) print_error(exit.message + '\n');
            advise_about(exit.told + '\n' + exit.message);
            return exit.status;
        } catch (const std::bad_alloc&) {
            print_error("out of memory\n");
        } catch (const std::exception& error) {
            print_error(error_line(error) + '\n');
            advise_about(error_line(error));
        } catch (...) {
            print_error(current_exception_message() + '\n');
        }
        return 1;
    }

  private:
    /// Beyond docker's lines, only for people.
    void advise(const std::string& text) const {
        if (!text.empty() && isatty(STDERR_FILENO)) print_error('\n' + text);
    }

    /// About the daemon's messages: it is asked again, so only where a person reads it.
    void advise_about(const std::string& message) const noexcept {
        if (!isatty(STDERR_FILENO)) return;
        try {
            Session session(std::string(place_.program), global_);
            advise(advice_for(message, session));
        } catch (...) {
            // The error itself has been told.
        }
    }

    int bad_flag(const Flags& flags, const Error& error) const {
        print_error(fmt::format("{}\n\n{}{}", error.what(), usage_line(place_), hint(place_)));
        advise(suggest_flag(flags.tables(), error.what()));
        return kBadFlagStatus;
    }

    int unknown_command(std::string_view word) const {
        print_error(fmt::format("{}: unknown command: {} {}\n{}{}", place_.program, place_.path(), word,
                                place_.words.empty() ? "" : '\n' + usage_line(place_), hint(place_)));
        advise(suggest_command(place_, word));
        return kUsageStatus;
    }

    bool wants_help() const { return global_.boolean("help") || flags_.boolean("help"); }

    int print_help() const {
        // -h is an old form: docker says so, where it is not a flag of the command's own.
        if (used_short_help_) {
            std::string_view text = "Flag shorthand -h has been deprecated, use --help\n";
            place_.words.empty() ? print_error(text) : print_out(text);
        }
        std::string text = show_help(place_, flags_);
        if (isatty(STDOUT_FILENO) && !place_.command->for_people.empty())
            text += fmt::format("\n{}\n", place_.command->for_people);
        print_out(text);
        return 0;
    }

    void note_short_help(std::span<const std::string> words, const Flags& flags) {
        const Flag* flag = flags.find('h');
        used_short_help_ = used_short_help_ ||
                           (flag && flag->name == "help" && std::ranges::find(words, "-h") != words.end());
    }

    /// Flags and words of the command itself, or of a group whose next word is no command of it.
    void take_words(std::vector<std::string>& args, bool interspersed) {
        size_t taken = parse_flags(flags_, rest_, interspersed, args);
        note_short_help(rest_.first(taken), flags_);
        for (const std::string& word : rest_.subspan(taken)) args.push_back(word);
        rest_ = {};
    }

    void enter(const Command& child) {
        // What a command takes is not for those below it; what a group takes is.
        if (place_.command->run) {
            flags_ = Flags{};
            flags_.add_table(kHelpFlags);
        }
        std::string_view name = name_in(child, place_.words);
        if (!place_.words.empty()) place_.words += ' ';
        place_.words += name;
        place_.command = &child;
        rest_ = rest_.subspan(1);
        // Its own come first: `run -h` is --hostname.
        Flags above = std::exchange(flags_, Flags{});
        flags_.add_table(child.flags);
        flags_.take(std::move(above));
    }

    /// `berth help image ls` is `berth image ls --help`.
    int help_topic() {
        rest_ = rest_.subspan(1);
        while (!rest_.empty() && !rest_[0].starts_with('-')) {
            const Command* child = find_child(*place_.command, place_.words, rest_[0]);
            if (!child) {
                std::vector<std::string> left(rest_.begin(), rest_.end());
                print_error(fmt::format("unknown help topic: {}\n", join(left, " ")));
                return kUsageStatus;
            }
            enter(*child);
        }
        return print_help();
    }

    /// Global flags. A status where they end the call.
    std::optional<int> take_global() {
        try {
            std::vector<std::string> none;
            size_t taken = parse_flags(global_, rest_, false, none);
            note_short_help(rest_.first(taken), global_);
            rest_ = rest_.subspan(taken);
        } catch (const Error& error) {
            return bad_flag(global_, error);
        }
        constexpr std::array<std::string_view, 8> kLevels = {"trace",   "debug", "info",  "warn",
                                                             "warning", "error", "fatal", "panic"};
        std::string level = global_.text("log-level");
        if (std::ranges::find(kLevels, level) == kLevels.end()) {
            print_error(fmt::format("Unable to parse logging level: {}\n", level));
            return kUsageStatus;
        }
        if (rest_.empty() && global_.boolean("help")) return print_help();
        if (rest_.empty() && global_.boolean("version")) {
            // Tools that ask `docker --version` look for a version of docker's.
            print_out(place_.program == "docker" ? "Docker version 28.2.2, build berth-" BERTH_VERSION "\n"
                                                 : "Berth version " BERTH_VERSION "\n");
            return 0;
        }
        return std::nullopt;
    }

    int walk() {
        if (auto status = take_global()) return *status;
        if (!rest_.empty() && rest_[0] == "help") return help_topic();
        if (!rest_.empty() && (rest_[0] == "__complete" || rest_[0] == "__completeNoDesc"))
            return complete(root_, place_.program, rest_);
        while (!place_.command->run ||
               (!rest_.empty() && find_child(*place_.command, place_.words, rest_[0]))) {
            if (rest_.empty()) {
                if (wants_help()) return print_help();
                print_error(show_help(place_, flags_));
                return 0;
            }
            const Command* child = find_child(*place_.command, place_.words, rest_[0]);
            if (child) {
                enter(*child);
                continue;
            }
            if (rest_[0].starts_with('-') && rest_[0] != "--") {
                std::vector<std::string> none;
                size_t taken = 0;
                try {
                    taken = parse_flags(flags_, rest_, false, none);
                } catch (const Error& error) {
                    return bad_flag(flags_, error);
                }
                note_short_help(rest_.first(taken), flags_);
                rest_ = rest_.subspan(taken);
                continue;
            }
            return no_such_child();
        }
        return call();
    }

    /// Perhaps a plugin's. Mistakes in flags behind a word that is no command, and --help there, come first.
    int no_such_child() {
        std::string word = rest_[0];
        if (place_.words.empty()) {
            Session session(std::string(place_.program), global_);
            call_plugin(word, words_, plugin_folders(session));
        }
        std::vector<std::string> args;
        try {
            take_words(args, true);
        } catch (const Error& error) {
            return bad_flag(flags_, error);
        }
        return wants_help() ? print_help() : unknown_command(word);
    }

    int call() {
        const Command& command = *place_.command;
        std::vector<std::string> args;
        if (command.takes_all_words) {
            args.assign(rest_.begin(), rest_.end());
        } else {
            try {
                take_words(args, !command.ends_flags_at_word);
            } catch (const Error& error) {
                return bad_flag(flags_, error);
            }
        }
        if (wants_help()) return print_help();
        bool is_optional =
            command.optional_on_terminal && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && args.empty();
        if ((args.size() < command.min_args && !is_optional) || args.size() > command.max_args) {
            print_error(wrong_count(place_));
            return kUsageStatus;
        }
        Session session(std::string(place_.program), global_);
        Invocation invocation{command, place_.path(), std::move(flags_), std::move(args), session, &root_};
        return command.run(invocation);
    }

    const Command& root_;
    Place place_;
    std::span<const std::string> words_, rest_;
    Flags global_, flags_;
    bool used_short_help_ = false;
};

}  // namespace

int run_program(const Command& root, std::string_view name, const std::vector<std::string>& words) {
    return CommandLine(root, name, words).run();
}

}  // namespace berth::cli
