// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "base/strings.h"
#include "cli/format/object_name.h"
#include "cli/key_values.h"
#include "cli/network/network.h"
#include "cli/session.h"

namespace berth::cli {
namespace {

constexpr Flag kFlags[] = {
    {.name = "alias", .kind = Flag::Kind::strings, .usage = "Add network-scoped alias for the container"},
    {.name = "driver-opt", .kind = Flag::Kind::strings, .usage = "driver options for the network"},
    {.name = "gw-priority",
     .kind = Flag::Kind::number,
     .usage = "Highest gw-priority provides the default gateway. Accepts positive and negative values."},
    {.name = "ip", .usage = "IPv4 address (e.g., \"172.30.100.104\")"},
    {.name = "ip6", .usage = "IPv6 address (e.g., \"2001:db8::33\")"},
    {.name = "link", .kind = Flag::Kind::list, .usage = "Add link to another container", .check = check_link},
    {.name = "link-local-ip",
     .kind = Flag::Kind::strings,
     .usage = "Add a link-local address for the container"},
};

json::Object driver_options(const std::vector<std::string>& words) {
    std::map<std::string_view, std::string_view> sorted;
    for (std::string_view word : words) {
        size_t at = word.find('=');
        std::string_view key = trim(word.substr(0, at));
        if (at == std::string_view::npos || key.empty())
            throw Error(ErrorKind::invalid_argument, "invalid key/value pair format in driver options");
        sorted[key] = trim(word.substr(at + 1));
    }
    json::Object options;
    for (auto [key, value] : sorted) options.emplace(key, value);
    return options;
}

json::Object endpoint(const Flags& flags) {
    json::Object addresses;
    if (std::string ip = flags.text("ip"); !ip.empty()) addresses.emplace("IPv4Address", ip);
    if (std::string ip = flags.text("ip6"); !ip.empty()) addresses.emplace("IPv6Address", ip);
    if (auto ips = flags.list("link-local-ip"); !ips.empty()) addresses.emplace("LinkLocalIPs", texts(ips));
    json::Object object{{"IPAMConfig", std::move(addresses)}};
    if (auto links = flags.list("link"); !links.empty()) object.emplace("Links", texts(links));
    object.emplace("Aliases", texts(flags.list("alias")));
    object.emplace("DriverOpts", driver_options(flags.list("driver-opt")));
    object.emplace("GwPriority", flags.number("gw-priority").value_or(0));
    return object;
}

int run(Invocation& invocation) {
    invocation.session.call({.method = "POST",
                             .path = object_path("network", invocation.args[0], "/connect"),
                             .body = json::Object{{"Container", invocation.args[1]},
                                                  {"EndpointConfig", endpoint(invocation.flags)}}});
    return 0;
}

}  // namespace

constinit const Command kNetworkConnectCommand = {
    .name = "connect",
    .summary = "Connect a container to a network",
    .arguments = "[OPTIONS] NETWORK CONTAINER",
    .flags = kFlags,
    .min_args = 2,
    .max_args = 2,
    .run = run,
    .words = Words::networks,
};

}  // namespace berth::cli
