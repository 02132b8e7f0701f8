// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "engine/containers/roster.h"

/// Making a container:
///
///   name reserved -> image, rules, mounts -> volumes held -> snapshot and folder -> volumes filled
///   -> record committed: from here on it exists -> event `create`
///
/// What fails undoes what was made before. After kill -9 a snapshot or a folder without a record goes at the
/// next start of the daemon (recover.h).
namespace berth::engine {

async::Task<spec::api::CreateResponse> create_container(RosterPointer roster, std::string name,
                                                        spec::api::ContainerCreateRequest request,
                                                        std::optional<spec::Platform> platform);

/// Throws Docker's conflict where another container has the name.
void reserve_name(Roster& roster, const std::string& name, const std::string& id);

}  // namespace berth::engine
