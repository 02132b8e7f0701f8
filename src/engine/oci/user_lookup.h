// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "spec/runtime.h"

namespace berth::engine {

/// Who a process runs as: `user` is "", "name", "uid", "name:group", "uid:gid" and so on, `groups` are more
/// names or numbers (HostConfig.GroupAdd). Names are those of /etc/passwd and /etc/group below `root`, a
/// descriptor of the container's root folder (-1: there is none, numbers only). The tree is hostile: it is
/// read without leaving `root`, and only plain files of at most 4 MiB.
///
/// Without a group the user's own from passwd, and those groups that list the user, count. The primary group
/// is always among the additional ones.
/// invalid_argument "unable to find user x: no matching entries in passwd file", "unable to find group x: no
/// matching entries in group file" ("Unable …" for one of `groups`).
spec::User find_user(int root, std::string_view user, const std::vector<std::string>& groups = {});

}  // namespace berth::engine
