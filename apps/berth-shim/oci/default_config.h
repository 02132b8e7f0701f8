// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "spec/runtime.h"

namespace berth::oci {

/// What `spec` writes: a shell with few privileges in namespaces of its own, on a read-only root.
spec::Config default_config();
/// Changes what an unprivileged user can't have: adds a user namespace that maps the user to root, keeps the
/// host's network and its sysfs, drops limits.
void make_rootless(spec::Config& config);
/// Indented with tabs.
std::string config_json(const spec::Config& config);

}  // namespace berth::oci
