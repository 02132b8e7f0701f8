// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "command.h"

namespace berth::oci {

/// The flags that `create` and `run` share, as options of the library. Paths become absolute, since they are
/// the caller's and not the bundle's. Throws invalid_argument if a descriptor of --preserve-fds isn't open.
runtime::CreateOptions create_options(const Invocation& invocation);

/// Throws invalid_argument unless descriptors 3 … 3+count-1 are open: the container would get whatever the
/// runtime opens there.
void check_preserved_fds(int64_t count);

/// `path` of a flag from the caller's folder; empty stays empty.
std::string absolute_path(const std::string& path);

}  // namespace berth::oci
