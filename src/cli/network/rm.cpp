// SPDX-License-Identifier: Apache-2.0
#include "cli/format/object_name.h"
#include "cli/network/network.h"
#include "cli/output.h"
#include "cli/prune/prune.h"
#include "cli/session.h"

namespace berth::cli {
namespace {

constexpr Flag kFlags[] = {
    {"force", 'f', Flag::Kind::boolean, "Do not error if the network does not exist"},
};

json::Value send(Session& session, std::string method, const std::string& name) {
    return session.call({.method = std::move(method), .path = object_path("network", name)});
}

/// A swarm's ingress network is removed only by who knows what it is.
bool is_ingress(Session& session, const std::string& name) {
    try {
        return client::flag_at(send(session, "GET", name), "Ingress");
    } catch (const Error&) {
        return false;  // the removal tells what is wrong
    }
}

/// The error that it told of, or "".
std::string remove(Session& session, const std::string& name, bool is_forced) {
    try {
        send(session, "DELETE", name);
        print_out(name + '\n');
    } catch (const Error& error) {
        if (is_forced && error.kind() == ErrorKind::not_found) return {};
        std::string line = error_line(error) + '\n';
        print_error(line);
        return line;
    }
    return {};
}

int run(Invocation& invocation) {
    constexpr std::string_view kIngressWarning =
        "WARNING! Before removing the routing-mesh network, make sure all the nodes in your swarm run the "
        "same "
        "docker engine version. Otherwise, removal may not be effective and functionality of newly create "
        "ingress networks will be impaired.\nAre you sure you want to continue?";
    bool is_forced = invocation.flags.boolean("force");
    std::string failures;
    for (const std::string& name : invocation.args) {
        if (is_ingress(invocation.session, name) && !confirm(kIngressWarning)) continue;
        failures += remove(invocation.session, name, is_forced);
    }
    if (failures.empty()) return 0;
    // Docker's client tells the status, too, which is of no use to a person.
    throw ExitStatus{1, invocation.session.is_stderr_terminal() ? "" : "exit status 1", failures};
}

constexpr std::string_view kAliases[] = {"network rm", "network remove"};

}  // namespace

constinit const Command kNetworkRmCommand = {
    .name = "rm",
    .summary = "Remove one or more networks",
    .arguments = "NETWORK [NETWORK...]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = kAnyNumber,
    .run = run,
    .aliases = kAliases,
    .words = Words::networks,
};

}  // namespace berth::cli
