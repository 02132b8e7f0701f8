// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <map>
#include <vector>

#include "base/unique_fd.h"
#include "spec/runtime.h"

/// User namespaces' mappings (user_namespaces(7)).
namespace berth::runtime {

struct IdMappings {
    std::vector<spec::IdMapping> uid;
    std::vector<spec::IdMapping> gid;
    bool operator==(const IdMappings&) const = default;
};

/// Gives the new user namespace of `pid` its mappings: directly with the rights for it, else by newuidmap(1)
/// and newgidmap(1), or for the one mapping of the caller's own ids directly again, after setgroups has been
/// denied. Returns whether setgroups(2) can be used in it.
bool write_mappings(pid_t pid, const IdMappings& mappings);

/// User namespaces that exist only as descriptors, for idmapped mounts. Equal mappings share one.
class MappingNamespaces {
  public:
    int get(const IdMappings& mappings);

  private:
    std::vector<std::pair<IdMappings, UniqueFd>> made_;
};

/// Whether this process has CAP_SYS_ADMIN in the user namespace that it is in: it can make namespaces and
/// mounts.
bool can_administer();

/// Whether this process is in the initial user namespace with root's rights there (CAP_SYS_ADMIN).
bool is_host_root();

}  // namespace berth::runtime
