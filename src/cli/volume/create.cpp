// SPDX-License-Identifier: Apache-2.0
#include "cli/key_values.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/volume/cluster_spec.h"
#include "cli/volume/volume.h"

namespace berth::cli {
namespace {

/// Of those for cluster volumes help says nothing, as docker has it where there is no swarm.
constexpr Flag kFlags[] = {
    {.name = "availability",
     .usage = "Cluster Volume availability (\"active\", \"pause\", \"drain\")",
     .default_text = "active",
     .hidden = true},
    {.name = "driver", .shorthand = 'd', .usage = "Specify volume driver name", .default_text = "local"},
    {.name = "group", .usage = "Cluster Volume group (cluster volumes)", .hidden = true},
    {.name = "label", .kind = Flag::Kind::list, .usage = "Set metadata for a volume", .check = check_label},
    {.name = "limit-bytes",
     .kind = Flag::Kind::bytes,
     .usage = "Minimum size of the Cluster Volume in bytes",
     .hidden = true},
    {.name = "name", .usage = "Specify volume name", .hidden = true},
    {.name = "opt",
     .shorthand = 'o',
     .kind = Flag::Kind::list,
     .usage = "Set driver specific options",
     .type = "map",
     .default_text = "map[]"},
    {.name = "required-bytes",
     .kind = Flag::Kind::bytes,
     .usage = "Maximum size of the Cluster Volume in bytes",
     .hidden = true},
    {.name = "scope",
     .usage = "Cluster Volume access scope (\"single\", \"multi\")",
     .default_text = "single",
     .hidden = true},
    {.name = "secret",
     .kind = Flag::Kind::list,
     .usage = "Cluster Volume secrets",
     .type = "map",
     .default_text = "map[]",
     .hidden = true},
    {.name = "sharing",
     .usage = "Cluster Volume access sharing (\"none\", \"readonly\", \"onewriter\", \"all\")",
     .default_text = "none",
     .hidden = true},
    {.name = "topology-preferred",
     .kind = Flag::Kind::list,
     .usage = "A topology that the Cluster Volume would be preferred in",
     .hidden = true},
    {.name = "topology-required",
     .kind = Flag::Kind::list,
     .usage = "A topology that the Cluster Volume must be accessible from",
     .hidden = true},
    {.name = "type",
     .usage = "Cluster Volume access type (\"mount\", \"block\")",
     .default_text = "block",
     .hidden = true},
};

std::string name_of(const Invocation& invocation) {
    std::string name = invocation.flags.text("name");
    if (invocation.args.empty()) return name;
    if (invocation.flags.is_set("name"))
        throw Error(
            ErrorKind::invalid_argument,
            "conflicting options: cannot specify a volume-name through both --name and as a positional "
            "arg");
    return invocation.args[0];
}

int run(Invocation& invocation) {
    const Flags& flags = invocation.flags;
    json::Object body{{"Driver", flags.text("driver")}};
    if (json::Object options = key_values(flags.list("opt")); !options.empty())
        body.emplace("DriverOpts", std::move(options));
    if (json::Object labels = key_values(flags.list("label")); !labels.empty())
        body.emplace("Labels", std::move(labels));
    if (std::string name = name_of(invocation); !name.empty()) body.emplace("Name", name);
    if (std::optional<json::Object> spec = cluster_spec(flags))
        body.emplace("ClusterVolumeSpec", std::move(*spec));

    json::Value made =
        invocation.session.call({.method = "POST", .path = "/volumes/create", .body = std::move(body)});
    print_out(client::text_at(made, "Name") + '\n');
    return 0;
}

}  // namespace

constinit const Command kVolumeCreateCommand = {
    .name = "create",
    .summary = "Create a volume",
    .arguments = "[OPTIONS] [VOLUME]",
    .flags = kFlags,
    .max_args = 1,
    .run = run,
};

}  // namespace berth::cli
