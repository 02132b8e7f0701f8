// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "base/error.h"
#include "base/strings.h"
#include "command.h"
#include "container_state.h"
#include "sys/file.h"
#include "text_table.h"

namespace berth::oci {

namespace {

constexpr std::array kFlags = {
    Flag{"format", "f", Flag::Kind::text, "'table' or 'json'", "\"table\""},
    Flag{"quiet", "q", Flag::Kind::boolean, "print only the ids"},
};

std::string in_table(const std::vector<ContainerState>& containers) {
    TextTable table({.min_width = 12, .padding = 3});
    table.add({"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"});
    for (const ContainerState& c : containers)
        table.add({c.id, std::to_string(c.pid), c.status, c.bundle, c.created, c.owner});
    return table.text();
}

std::string in_json(const std::vector<ContainerState>& containers) {
    if (containers.empty()) return "null\n";
    std::vector<std::string> states;
    for (const ContainerState& container : containers) states.push_back(state_json(container, false));
    return "[" + join(states, ",") + "]\n";
}

int list(const Invocation& invocation) {
    std::vector<ContainerState> containers;
    for (const std::string& id : runtime::Container::list(invocation.settings)) {
        try {
            containers.push_back(container_state(runtime::Container::load(invocation.settings, id)));
        } catch (const Error& error) {
            // Half made, or removed a moment ago: the others are still worth showing.
            sys::write_all(2, fmt::format("load container {}: {}\n", id, error.what()), "stderr");
        }
    }
    std::string format = invocation.flags.text("format");
    std::string output;
    if (invocation.flags.boolean("quiet"))
        for (const ContainerState& container : containers) output += container.id + '\n';
    else if (format.empty() || format == "table")
        output = in_table(containers);
    else if (format == "json")
        output = in_json(containers);
    else
        throw Error(ErrorKind::invalid_argument, "invalid format option");
    sys::write_all(1, output, "stdout");
    return 0;
}

}  // namespace

constinit const Command kListCommand = {
    .name = "list",
    .summary = "list the containers below the root folder",
    .arguments = "",
    .description = "The folder is that of the global option --root.",
    .flags = kFlags,
    .min_args = 0,
    .max_args = 0,
    .run = list,
};

}  // namespace berth::oci
