// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "spec/runtime.h"

namespace berth::runtime {

/// CLONE_NEW… of a kind of namespace.
int clone_flag(spec::NamespaceType type);
/// Its name below /proc/PID/ns ("net").
const char* proc_name(spec::NamespaceType type);

/// The kinds of namespace (CLONE_NEW… flags) in which `pid` is not where we are.
int differing_namespaces(pid_t pid);

/// Opens linux.namespaces[index].path and checks its kind.
UniqueFd open_namespace(const spec::Namespace& item, size_t index);

}  // namespace berth::runtime
