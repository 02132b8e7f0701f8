// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/un.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

/// Unix sockets: addresses that are too long for sockaddr_un (107 bytes), and descriptors sent along.
namespace berth::sys {

/// Of <directory>/<name>; `directory` stays open while it is used. invalid_argument for a name that is too
/// long (some 80 bytes).
sockaddr_un unix_address(int directory, const std::string& name);

/// Connects `socket` to the one that listens at `path`, which may be of any length.
void connect_unix(int socket, const std::string& path);
/// A stream connection.
UniqueFd connect_unix(const std::string& path);

/// Sends at least the first byte of `data`, and the descriptor with it (SCM_RIGHTS). Returns how much was
/// sent.
size_t send_with_fd(int socket, std::string_view data, int fd);

}  // namespace berth::sys
