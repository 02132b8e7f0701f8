// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <span>

#include "base/strings.h"
#include "engine/containers/views.h"
#include "sys/file.h"
#include "sys/process.h"

namespace berth::engine {
namespace {

constexpr std::chrono::seconds kPsLimit{10};

std::vector<std::string> ps_command(std::string_view arguments) {
    std::vector<std::string> command = {"ps"};
    for (std::string_view word : split_fields(arguments)) command.emplace_back(word);
    return command;
}

/// Blocking.
std::string run_ps(const std::vector<std::string>& command) {
    sys::SpawnOptions options;
    options.path = "/bin/ps";
    options.argv = command;
    options.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"};
    int pipe_ends[2];
    sys::check(pipe2(pipe_ends, O_CLOEXEC), "pipe2");
    UniqueFd out(pipe_ends[0]), in(pipe_ends[1]);
    options.stdout_fd = options.stderr_fd = in.get();
    sys::Child child = sys::spawn(options);
    in.reset();
    std::string output = sys::read_all(out.get(), "ps");
    std::optional<sys::ExitStatus> status = child.wait_for(kPsLimit);
    if (!status || status->code != 0)
        throw make_error(ErrorKind::internal, "Error running ps: {}", trim(output));
    return output;
}

std::vector<std::string> words_of(std::string_view line, size_t columns) {
    std::vector<std::string> words;
    for (std::string_view word : split_fields(line)) {
        if (words.size() < columns)
            words.emplace_back(word);
        else
            words.back().append(" ").append(word);  // the command, the last column, has blanks
    }
    return words;
}

}  // namespace

spec::api::TopResponse select_processes(std::string_view ps_output, const std::vector<pid_t>& pids) {
    spec::api::TopResponse response;
    std::vector<std::string_view> lines = split(ps_output, '\n');
    if (lines.empty()) throw Error(ErrorKind::internal, "Couldn't find PID field in ps output");
    for (std::string_view title : split_fields(lines[0])) response.Titles.emplace_back(title);
    auto column = std::ranges::find(response.Titles, "PID") - response.Titles.begin();
    if (column == std::ssize(response.Titles))
        throw Error(ErrorKind::internal, "Couldn't find PID field in ps output");
    std::set<pid_t> wanted(pids.begin(), pids.end());
    bool is_after_wanted = false;
    for (std::string_view line : std::span(lines).subspan(1)) {
        std::vector<std::string> words = words_of(line, response.Titles.size());
        if (words.size() <= static_cast<size_t>(column)) continue;
        const std::string& pid = words[static_cast<size_t>(column)];
        // Lines of threads ("ps m") have "-" and follow their process.
        std::optional<pid_t> number = parse_number<pid_t>(pid);
        if (pid != "-" && !number) throw make_error(ErrorKind::internal, "Unexpected pid '{}'", pid);
        if (number) is_after_wanted = wanted.contains(*number);
        if (is_after_wanted) response.Processes.push_back(std::move(words));
    }
    return response;
}

async::Task<spec::api::TopResponse> container_processes(RosterPointer roster, ContainerPointer container,
                                                        std::string ps_arguments) {
    if (container->state().status == ContainerStatus::restarting)
        throw make_error(ErrorKind::conflict,
                         "Container {} is restarting, wait until the container is running", container->id());
    std::shared_ptr<shim::AsyncClient> shim = container->shim();
    if (!container->is_running() || !shim)
        throw make_error(ErrorKind::conflict, "container {} is not running", container->id());
    std::vector<pid_t> pids = co_await shim->pids();
    auto work = [command = ps_command(ps_arguments.empty() ? "-ef" : ps_arguments)] {
        return run_ps(command);
    };
    std::string output = co_await async::run_blocking(std::move(work));
    spec::api::TopResponse response = select_processes(output, pids);
    roster->publish(*container, "top");
    co_return response;
}

}  // namespace berth::engine
