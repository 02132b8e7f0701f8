// SPDX-License-Identifier: Apache-2.0
#include "cli/format/object_name.h"
#include "cli/session.h"
#include "cli/volume/volume.h"

namespace berth::cli {
namespace {

constexpr Flag kFlags[] = {
    {.name = "availability",
     .usage = "Cluster Volume availability (\"active\", \"pause\", \"drain\")",
     .default_text = "active",
     .hidden = true},
};

/// The only thing of a volume that can be changed: whether a swarm may use it.
void update(Session& session, const std::string& name, const Flags& flags) {
    json::Value volume = session.call({.path = object_path("volume", name)});
    const json::Value* cluster = client::find_at(volume, "ClusterVolume");
    if (!cluster || !cluster->is_object())
        throw Error(ErrorKind::invalid_argument, "can only update cluster volumes");
    json::Value spec(json::Object{});
    if (const json::Value* now = client::find_at(*cluster, "Spec"); now && now->is_object()) spec = *now;
    if (flags.is_set("availability")) spec.get_object()["Availability"] = flags.text("availability");

    client::Request change;
    change.method = "PUT";
    change.path = "/volumes/" + client::path_segment(client::text_at(*cluster, "ID"));
    change.query.emplace_back("version", std::to_string(client::number_at(*cluster, "Version.Index")));
    change.body = json::Object{{"Spec", std::move(spec)}};
    session.call(std::move(change));
}

int run(Invocation& invocation) {
    update(invocation.session, invocation.args[0], invocation.flags);
    return 0;
}

}  // namespace

constinit const Command kVolumeUpdateCommand = {
    .name = "update",
    .summary = "Update a volume (cluster volumes only)",
    .arguments = "[OPTIONS] [VOLUME]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = 1,
    .run = run,
    .hidden = true,
    .words = Words::volumes,
};

}  // namespace berth::cli
