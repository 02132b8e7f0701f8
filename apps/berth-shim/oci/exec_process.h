// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flags.h"
#include "spec/runtime.h"

namespace berth::oci {

/// The process of `exec`: the container's own one (`base`), changed by `flags` (of kExecFlags); `args` is the
/// program and its arguments. Throws invalid_argument.
spec::Process exec_process(const spec::Process& base, const Flags& flags, std::vector<std::string> args);
/// What runc demands of it: cwd absolute, a program.
void check_process(const spec::Process& process);

/// "UID[:GID]", in numbers. Throws invalid_argument.
struct UserIds {
    uint32_t uid = 0;
    std::optional<uint32_t> gid;
};
UserIds parse_user(std::string_view text);

/// The values of --cgroup, "[controller,…:]path", as ExecOptions::cgroup. Throws invalid_argument.
std::map<std::string, std::string> parse_cgroups(const std::vector<std::string>& values);

}  // namespace berth::oci
