// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/containers/roster.h"

/// Changes of what a container is: its name, its limits.
namespace berth::engine {

async::Task<void> rename_container(RosterPointer roster, ContainerPointer container, std::string name);
async::Task<spec::api::ContainerUpdateResponse> update_container(RosterPointer roster,
                                                                 ContainerPointer container,
                                                                 spec::api::UpdateRequest request);

}  // namespace berth::engine
