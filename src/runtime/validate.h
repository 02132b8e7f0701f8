// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "spec/runtime.h"

/// What the runtime specification demands of config.json beyond its types, and what cannot be done on Linux,
/// checked before anything is made. Every Error is invalid_argument and names the field by its JSON path:
/// "linux.namespaces[3].type: the namespace network is given twice".
namespace berth::runtime {

struct ValidateContext {
    std::string bundle;          ///< absolute; root.path is relative to it
    bool root_is_given = false;  ///< the root file system comes as a descriptor: `root` may be absent
    bool rootless = false;       ///< not the host's root: a user namespace is needed
};

/// Also warns of what is allowed but doubtful (a relative mount destination).
void validate(const spec::Config& config, const ValidateContext& context);

/// The process of `exec`, too. `field` is what paths start with.
void validate_process(const spec::Process& process, std::string_view field = "process");

/// The limits of `update`, too.
void validate_resources(const spec::Resources& resources, std::string_view field = "linux.resources");

/// Letters, digits, '_', '+', '-' and '.', 1 to 1024 of them, neither "." nor "..": it names a folder.
/// Else invalid_argument "invalid container id …".
void validate_id(std::string_view id);

/// Throws invalid_argument "<field>: <problem>".
[[noreturn]] void fail_field(std::string_view field, std::string_view problem);

}  // namespace berth::runtime
