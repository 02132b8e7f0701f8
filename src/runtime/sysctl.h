// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "spec/runtime.h"

/// The kernel parameters of linux.sysctl. As in sysctl(8), the first separator of a name decides:
/// "net.ipv4.conf.a/1.x" and "net/ipv4/conf/a.1/x" are the same.
namespace berth::runtime {

/// The path below /proc/sys ("net/ipv4/conf/a.1/x"). Nothing if a part is empty, "." or "..".
std::optional<std::string> sysctl_path(std::string_view name);

/// The kind of namespace that has its own value of the parameter at `path` (as sysctl_path gives it); nothing
/// for those that only the host has.
std::optional<spec::NamespaceType> sysctl_namespace(std::string_view path);

}  // namespace berth::runtime
