// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/unique_fd.h"

namespace berth::engine {

/// berth-shim as it is when this is made: $BERTH_SHIM, else the file beside the program that runs. Held on a
/// read-only mount of nobody's, so that no container can write to it (CVE-2019-5736), a shim that is executed
/// from there need not see to that itself, and a daemon starts the shims that it was installed with.
class ShimProgram {
  public:
    ShimProgram();

    /// Where it lies.
    const std::string& path() const { return path_; }
    /// What to execute: names a descriptor of this process. The path itself where this process may not mount.
    const std::string& executable() const { return executable_; }

  private:
    std::string path_, executable_;
    UniqueFd mount_;
};

}  // namespace berth::engine
