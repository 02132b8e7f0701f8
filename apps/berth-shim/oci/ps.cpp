// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <array>

#include "base/error.h"
#include "base/strings.h"
#include "command.h"
#include "process_table.h"
#include "sys/file.h"
#include "sys/process.h"

namespace berth::oci {

namespace {

constexpr std::array kFlags = {
    Flag{"format", "f", Flag::Kind::text, "'table' or 'json'", "\"table\""},
};

std::string in_json(const std::vector<pid_t>& pids) {
    std::vector<std::string> numbers;
    for (pid_t pid : pids) numbers.push_back(std::to_string(pid));
    return "[" + join(numbers, ",") + "]\n";
}

/// The host's ps knows the container's processes by their pids.
std::string in_table(const std::vector<pid_t>& pids, std::vector<std::string> ps_options) {
    if (ps_options.empty()) ps_options = {"-ef"};
    ps_options.insert(ps_options.begin(), "ps");
    std::vector<std::string> env;
    for (char** variable = environ; *variable; ++variable) env.emplace_back(*variable);
    UniqueFd output = sys::memory_file("ps", "");
    sys::SpawnOptions options{
        .path = find_in_path("ps"), .argv = std::move(ps_options), .env = std::move(env)};
    options.stdout_fd = options.stderr_fd = output.get();
    sys::ExitStatus status = sys::spawn(options).wait();
    sys::check(lseek(output.get(), 0, SEEK_SET), "lseek");
    std::string table = sys::read_all(output.get(), "ps");
    if (status.code != 0) throw make_error(ErrorKind::internal, "exit status {}: {}", status.code, table);
    return filter_process_table(table, pids);
}

int ps(const Invocation& invocation) {
    std::vector<pid_t> pids = invocation.container().processes();
    std::string format = invocation.flags.text("format");
    std::string output;
    if (format == "json")
        output = in_json(pids);
    else if (format.empty() || format == "table")
        output = in_table(pids, {invocation.args.begin() + 1, invocation.args.end()});
    else
        throw Error(ErrorKind::invalid_argument, "invalid format option");
    sys::write_all(1, output, "stdout");
    return 0;
}

}  // namespace

constinit const Command kPsCommand = {
    .name = "ps",
    .summary = "list the processes of a container",
    .arguments = "<container-id> [ps options]",
    .description =
        "Runs the host's ps (with -ef, unless options are given) and shows its lines for the container.",
    .flags = kFlags,
    .max_args = kAnyNumber,
    .run = ps,
};

}  // namespace berth::oci
