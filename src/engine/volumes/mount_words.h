// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "spec/api/container_config.h"

/// The words of mount modes ("ro,z,rslave"), and the rules for one mount by itself. Messages are Docker's.
namespace berth::engine {

/// What a mode says. Of each kind (access, label, propagation, copy, consistency) it has at most one word.
struct MountMode {
    bool rw = true;
    std::string_view
        read_only;  ///< "ro-non-recursive", "ro-force-recursive" or "rro" where it is one of these
    std::string_view propagation;
    bool no_copy = false;
};
/// Nothing where `mode` holds another word, or two of a kind. Borrows it.
std::optional<MountMode> parse_mode(std::string_view mode);

bool is_propagation(std::string_view word);

/// Throws invalid_argument "invalid mount config for type "bind": …". Looks for the source of a bind unless
/// it may be made.
void check_mount(const spec::api::Mount& mount, bool source_must_exist);

/// Throws invalid_argument where a mount can't be there: the root, or not an absolute path.
void check_destination(std::string_view destination);

}  // namespace berth::engine
