// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "cli/commands.h"
#include "cli/container/port_text.h"
#include "cli/flag_values.h"
#include "cli/format/natural_order.h"
#include "cli/format/object_name.h"
#include "cli/output.h"
#include "cli/session.h"

namespace berth::cli {

namespace {

/// "0.0.0.0:8080", "[::]:8080".
std::string host_port(const json::Value& binding) {
    return host_text(client::text_at(binding, "HostIp")) + ':' + client::text_at(binding, "HostPort");
}

/// "80/tcp" from "80" or "80/tcp".
std::string port_key(const std::string& word) {
    size_t slash = word.find('/');
    std::string port = word.substr(0, slash);
    std::string protocol = slash == std::string::npos ? "" : word.substr(slash + 1);
    if (!parse_number<uint16_t>(port)) {
        bool is_digits = !port.empty() && port.find_first_not_of("0123456789") == std::string::npos;
        throw make_error(ErrorKind::invalid_argument,
                         "Error: invalid port ({}): strconv.ParseUint: parsing {}: {}", port, quote(port),
                         is_digits ? "value out of range" : "invalid syntax");
    }
    return fmt::format("{}/{}", port, protocol.empty() ? "tcp" : protocol);
}

int run(Invocation& call) {
    json::Value container = call.session.call({.path = object_path("container", call.args[0], "/json")});
    std::string only = call.args.size() > 1 && !call.args[1].empty() ? port_key(call.args[1]) : "";
    std::vector<std::string> lines;
    const json::Value* ports = client::find_at(container, "NetworkSettings.Ports");
    if (ports && ports->is_object())
        for (const auto& [port, bindings] : ports->as_object()) {
            if (!bindings.is_array() || (!only.empty() && port != only)) continue;
            for (const json::Value& binding : bindings.as_array())
                lines.push_back(only.empty()
                                    ? fmt::format("{} -> {}", std::string_view(port), host_port(binding))
                                    : host_port(binding));
        }
    if (lines.empty() && !only.empty())
        throw make_error(ErrorKind::not_found, "Error: No public port '{}' published for {}", call.args[1],
                         call.args[0]);
    std::ranges::sort(lines, natural_less);
    std::string text;
    for (const std::string& line : lines) text += line + '\n';
    print_out(text);
    return 0;
}

constexpr std::string_view kAliases[] = {"container port", "port"};

}  // namespace

constinit const Command kPortCommand = {
    .name = "port",
    .summary = "List port mappings or a specific mapping for the container",
    .arguments = "CONTAINER [PRIVATE_PORT[/PROTO]]",
    .min_args = 1,
    .max_args = 2,
    .run = run,
    .aliases = kAliases,
    .words = Words::running_containers,
};

}  // namespace berth::cli
