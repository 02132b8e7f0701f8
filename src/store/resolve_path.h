// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace berth::store {

/// The path `names` below `root` with the symlinks among its folders resolved, as chroot(2) would: absolute
/// ones start at `root`, ".." ends there, what is absent keeps its name. The last name is not followed. It
/// only reads links: whoever uses the result opens it without following any, so that a tree that is changed
/// meanwhile can't lead out of `root`. invalid_argument for more than 40 links on the way.
std::string resolve_folders(int root, std::span<const std::string_view> names);

}  // namespace berth::store
