// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>

#include "base/log.h"
#include "base/strings.h"
#include "command.h"
#include "help.h"
#include "self_protect.h"
#include "sys/file.h"

namespace berth::oci {

namespace {

constexpr auto kText = Flag::Kind::text;
constexpr auto kBoolean = Flag::Kind::boolean;

constexpr std::array kGlobalFlags = {
    Flag{"debug", "", kBoolean, "log what is done"},
    Flag{"log", "", kText, "append log lines to this file instead of stderr"},
    Flag{"log-format", "", kText, "format of log lines, 'text' or 'json'", "\"text\""},
    Flag{"root", "", kText, "folder for the state of containers; should be on a tmpfs", "\"/run/berth-oci\""},
    Flag{"criu", "", kText, "ignored: there is no checkpoint", "", true},
    Flag{"systemd-cgroup", "", kBoolean,
         "cgroups through systemd; cgroupsPath is then \"slice:prefix:name\""},
    Flag{"rootless", "", kText, "accept missing rights on cgroups ('true', 'false' or 'auto')", "\"auto\""},
    kHelpFlag,
    Flag{"version", "v", kBoolean, "print the version"},
};

/// The words of a command line that can't be understood: help goes to stdout, the message to the log.
struct UsageError {
    std::string shown;  ///< what stands before the help page
    std::string help;
    std::string message;
};

Flags parse_or_explain(std::span<const Flag> table, std::span<const std::string> words, size_t& used,
                       std::string_view separator, const Command* command) {
    try {
        return parse_flags(table, words, used);
    } catch (const Error& error) {
        throw UsageError{fmt::format("Incorrect Usage{} {}", separator, error.what()),
                         command ? command_help(*command) : program_help(kGlobalFlags), error.what()};
    }
}

/// The log file's descriptor stays open to the end of the process: log::Sink borrows it.
void open_log(const Flags& flags) {
    log::Sink sink;
    sink.level = flags.boolean("debug") ? log::Level::debug : log::Level::warning;
    std::string format = flags.text("log-format");
    if (format == "json")
        sink.format = log::Format::json;
    else if (!format.empty() && format != "text")
        throw make_error(ErrorKind::invalid_argument, "invalid log-format: {}", format);
    std::string path = flags.text("log");
    if (!path.empty() && path != "/dev/stderr")
        sink.fd = sys::open_file(path, O_WRONLY | O_CREAT | O_APPEND, 0644).release();
    log::set_sink(sink);
}

/// Without a log file, what create, run and exec warn of would get into the container's own stderr, which is
/// ours.
void keep_out_of_stderr(const Flags& flags, const Command& command) {
    log::Sink sink = log::sink();
    if (sink.fd != 2 || !command.seen_in_container || flags.boolean("debug") || isatty(2)) return;
    sink.level = log::Level::error;
    log::set_sink(sink);
}

runtime::Settings settings_of(const Flags& flags) {
    runtime::Settings settings;
    settings.root = runtime::default_root();
    if (flags.is_set("root")) {
        settings.root = sys::clean_path(flags.text("root"), sys::current_dir());
        if (settings.root == "/")
            throw Error(ErrorKind::invalid_argument, "Option --root argument should not be set to /");
    }
    settings.systemd_cgroup = flags.boolean("systemd-cgroup");
    std::string rootless = flags.text("rootless");
    if (!rootless.empty() && rootless != "auto" && !parse_bool(rootless))
        throw make_error(ErrorKind::invalid_argument, "invalid value {} for --rootless", quote(rootless));
    return settings;
}

void check_count(std::string_view argv0, const Command& command, size_t count) {
    auto fail = [&](std::string_view how, size_t expected) {
        throw UsageError{
            "Incorrect Usage.", command_help(command),
            fmt::format("{}: \"{}\" requires {} {} argument(s)", argv0, command.name, how, expected)};
    };
    if (command.min_args == command.max_args && count != command.min_args) fail("exactly", command.min_args);
    if (count < command.min_args) fail("a minimum of", command.min_args);
    if (count > command.max_args) fail("a maximum of", command.max_args);
}

void print(const std::string& text) {
    sys::write_all(1, text, "stdout");
}

void report(const std::string& message) {
    log::error("{}", message);
    if (log::sink().fd != 2) {
        // Who reads only stderr must see the reason too. A closed stderr is nobody's failure.
        try {
            sys::write_all(2, message + '\n', "stderr");
        } catch (const Error&) {
        }
    }
}

int show_help(std::span<const std::string> topic) {
    if (topic.empty()) {
        print(program_help(kGlobalFlags));
        return 0;
    }
    const Command* command = find_command(topic[0]);
    if (!command) {
        report(fmt::format("No help topic for '{}'", topic[0]));
        return 3;
    }
    print(command_help(*command));
    return 0;
}

int run_command(const Invocation& invocation) {
    const Command& command = invocation.command;
    try {
        return command.run(invocation);
    } catch (const Error& error) {
        std::optional<int> code;
        if (command.exec_codes) code = runtime::exec_exit_code(error);
        report(fmt::format("{}{}", command.failure_prefix, error.what()));
        return code.value_or(command.failure_code);
    }
}

int dispatch(char** argv, std::span<const std::string> words) {
    size_t used = 0;
    Flags globals = parse_or_explain(kGlobalFlags, words, used, ".", nullptr);
    words = words.subspan(used);
    if (globals.boolean("version")) {
        print(version_text());
        return 0;
    }
    if (globals.boolean("help") || words.empty()) return show_help({});
    open_log(globals);
    runtime::Settings settings = settings_of(globals);
    if (words[0] == "help" || words[0] == "h") return show_help(words.subspan(1));
    const Command* command = find_command(words[0]);
    if (!command) return show_help(words);

    keep_out_of_stderr(globals, *command);
    log::debug("{} {}: {}", kProgram, BERTH_VERSION, join({words.begin(), words.end()}, " "));
    words = words.subspan(1);
    std::vector<Flag> table(command->flags.begin(), command->flags.end());
    table.push_back(kHelpFlag);
    Flags flags = parse_or_explain(table, words, used, ":", command);
    if (flags.boolean("help")) {
        print(command_help(*command));
        return 0;
    }
    words = words.subspan(used);
    if (command->min_args > 0 && !words.empty() && words[0].empty())
        throw Error(ErrorKind::invalid_argument, "container id cannot be empty");
    check_count(argv[0], *command, words.size());
    if (command->seen_in_container) protect_own_executable(argv);
    return run_command({argv, *command, std::move(settings), std::move(flags), {words.begin(), words.end()}});
}

}  // namespace

int oci_main(char** argv, const std::vector<std::string>& words) {
    // A hook that doesn't read its stdin must not kill us. A handler, since what is ignored would stay so in
    // hooks.
    signal(SIGPIPE, [](int) {});
    try {
        return dispatch(argv, words);
    } catch (const UsageError& error) {
        print(fmt::format("{}\n\n{}", error.shown, error.help));
        report(error.message);
    } catch (...) {
        report(current_exception_message());
    }
    return 1;
}

}  // namespace berth::oci
