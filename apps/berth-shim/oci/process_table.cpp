// SPDX-License-Identifier: Apache-2.0
#include "process_table.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <span>

#include "base/error.h"
#include "base/strings.h"

namespace berth::oci {

std::string filter_process_table(std::string_view table, const std::vector<pid_t>& pids) {
    std::vector<std::string_view> lines = split(table, '\n');
    std::vector<std::string_view> titles = lines.empty() ? lines : split_fields(lines[0]);
    size_t column = static_cast<size_t>(std::ranges::find(titles, "PID") - titles.begin());
    if (column == titles.size())
        throw Error(ErrorKind::invalid_argument, "couldn't find PID field in ps output");
    std::string kept = std::string(lines[0]) + '\n';
    for (std::string_view line : std::span(lines).subspan(1)) {
        std::vector<std::string_view> fields = split_fields(line);
        auto pid = fields.size() > column ? parse_number<pid_t>(fields[column]) : std::nullopt;
        if (pid && std::ranges::find(pids, *pid) != pids.end()) kept.append(line) += '\n';
    }
    return kept;
}

std::string find_in_path(std::string_view name) {
    const char* path = getenv("PATH");
    for (std::string_view folder : split(path ? path : "/usr/bin:/bin", ':')) {
        std::string file = fmt::format("{}/{}", folder.empty() ? "." : folder, name);
        if (access(file.c_str(), X_OK) == 0) return file;
    }
    throw make_error(ErrorKind::not_found, "exec: {}: executable file not found in $PATH", quote(name));
}

}  // namespace berth::oci
