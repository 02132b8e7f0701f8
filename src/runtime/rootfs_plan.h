// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "runtime/container.h"
#include "runtime/id_mapping.h"
#include "runtime/plan_builder.h"
#include "spec/runtime.h"
#include "sys/cgroup.h"

namespace berth::runtime {

/// What the plan of a root file system depends on, beyond config.json.
struct RootfsContext {
    std::string bundle;
    std::string rootfs;     ///< absolute
    int rootfs_mount = -1;  ///< detached mount that is the root file system; -1: the folder `rootfs`
    const sys::Cgroup* cgroup = nullptr;
    bool host_root = true;           ///< sources are opened (and idmapped) by us, before the clone
    bool in_user_namespace = false;  ///< devices are bound, not made
    bool own_cgroup_namespace = false;
    bool mount_namespace = true;
    bool no_pivot = false;
    int console_socket = -1;
    bool selinux = false;
};

/// Adds the operations from the host's tree as it was cloned up to (and without) the change of root:
/// propagation, mounts, devices, console. With `hooks` a sync point (create_runtime) follows.
void plan_rootfs(PlanBuilder& builder, const spec::Config& config, const RootfsContext& context, bool hooks);

/// Read-only and masked paths, and the change of root.
void plan_enter_rootfs(PlanBuilder& builder, const spec::Config& config, const RootfsContext& context);

/// A detached mount as described. `hint` names it in errors.
UniqueFd make_rootfs_mount(const RootfsMount& mount);

}  // namespace berth::runtime
