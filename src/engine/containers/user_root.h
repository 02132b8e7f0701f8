// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include "base/unique_fd.h"
#include "engine/files/root_view.h"
#include "store/snapshots.h"

namespace berth::engine {

/// A folder below which /etc/passwd and /etc/group are what the container will see, for the look-up of its
/// user before its root file system is mounted: the layer that has both, which nearly always is one; else all
/// of them, mounted. Blocking.
class UserRoot {
  public:
    explicit UserRoot(const store::MountPlan& plan);
    int fd() const;

  private:
    std::optional<UniqueFd> layer_;
    std::shared_ptr<RootView> view_;
};

}  // namespace berth::engine
