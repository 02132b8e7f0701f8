// SPDX-License-Identifier: Apache-2.0
#include "cli/key_values.h"
#include "cli/network/ipam.h"
#include "cli/network/network.h"
#include "cli/output.h"
#include "cli/session.h"

namespace berth::cli {
namespace {

constexpr Flag kFlags[] = {
    {.name = "attachable", .kind = Flag::Kind::boolean, .usage = "Enable manual container attachment"},
    {.name = "aux-address",
     .kind = Flag::Kind::list,
     .usage = "Auxiliary IPv4 or IPv6 addresses used by Network driver",
     .type = "map",
     .default_text = "map[]"},
    {.name = "config-from", .usage = "The network from which to copy the configuration"},
    {.name = "config-only", .kind = Flag::Kind::boolean, .usage = "Create a configuration only network"},
    {.name = "driver", .shorthand = 'd', .usage = "Driver to manage the Network", .default_text = "bridge"},
    {.name = "gateway", .kind = Flag::Kind::strings, .usage = "IPv4 or IPv6 Gateway for the master subnet"},
    {.name = "ingress", .kind = Flag::Kind::boolean, .usage = "Create swarm routing-mesh network"},
    {.name = "internal", .kind = Flag::Kind::boolean, .usage = "Restrict external access to the network"},
    {.name = "ip-range", .kind = Flag::Kind::strings, .usage = "Allocate container ip from a sub-range"},
    {.name = "ipam-driver", .usage = "IP Address Management Driver", .default_text = "default"},
    {.name = "ipam-opt",
     .kind = Flag::Kind::list,
     .usage = "Set IPAM driver specific options",
     .type = "map",
     .default_text = "map[]"},
    {.name = "ipv4",
     .kind = Flag::Kind::boolean,
     .usage = "Enable or disable IPv4 address assignment",
     .default_text = "true"},
    {.name = "ipv6", .kind = Flag::Kind::boolean, .usage = "Enable or disable IPv6 address assignment"},
    {.name = "label", .kind = Flag::Kind::list, .usage = "Set metadata on a network", .check = check_label},
    {.name = "opt",
     .shorthand = 'o',
     .kind = Flag::Kind::list,
     .usage = "Set driver specific options",
     .type = "map",
     .default_text = "map[]"},
    {.name = "scope", .usage = "Control the network's scope"},
    {.name = "subnet",
     .kind = Flag::Kind::strings,
     .usage = "Subnet in CIDR format that represents a network segment"},
};

json::Object body(const Flags& flags, const std::string& name) {
    IpamWords words{flags.list("subnet"), flags.list("ip-range"), flags.list("gateway"),
                    flags.list("aux-address")};
    json::Object ipam{{"Driver", flags.text("ipam-driver")}};
    ipam.emplace("Options", key_values(flags.list("ipam-opt")));
    ipam.emplace("Config", ipam_config(words));

    json::Object object{{"Name", name}, {"Driver", flags.text("driver")}, {"Scope", flags.text("scope")}};
    if (flags.is_set("ipv4")) object.emplace("EnableIPv4", flags.boolean("ipv4"));
    if (flags.is_set("ipv6")) object.emplace("EnableIPv6", flags.boolean("ipv6"));
    object.emplace("IPAM", std::move(ipam));
    object.emplace("Internal", flags.boolean("internal"));
    object.emplace("Attachable", flags.boolean("attachable"));
    object.emplace("Ingress", flags.boolean("ingress"));
    object.emplace("ConfigOnly", flags.boolean("config-only"));
    if (std::string from = flags.text("config-from"); !from.empty())
        object.emplace("ConfigFrom", json::Object{{"Network", from}});
    object.emplace("Options", key_values(flags.list("opt")));
    object.emplace("Labels", key_values(flags.list("label")));
    return object;
}

int run(Invocation& invocation) {
    json::Value made = invocation.session.call(
        {.method = "POST", .path = "/networks/create", .body = body(invocation.flags, invocation.args[0])});
    print_out(client::text_at(made, "Id") + '\n');
    return 0;
}

}  // namespace

constinit const Command kNetworkCreateCommand = {
    .name = "create",
    .summary = "Create a network",
    .arguments = "[OPTIONS] NETWORK",
    .flags = kFlags,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};

}  // namespace berth::cli
