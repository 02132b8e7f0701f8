// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

/// Finding and starting `berth-shim ports`, and its messages: JSON objects over a SOCK_SEQPACKET socket
/// (docs/networking.md).
namespace berth::net {

struct PortProcessOptions {
    std::string socket;
    std::string program;
    std::string tag;
    std::chrono::milliseconds linger;
    std::chrono::milliseconds answer_limit = std::chrono::seconds(10);
};

/// A connection to the process that serves the socket; where there is none it is started if `may_start`, else
/// the result is empty. Not blocking once connected. Blocks for some milliseconds; any thread. Throws
/// unavailable where a process doesn't answer, not_implemented where its protocol is another.
UniqueFd reach_port_process(const PortProcessOptions& options, bool may_start);

/// Longer requests are refused by the other side.
inline constexpr size_t kMaxPortMessage = size_t{64} * 1024;

enum class PortSend { sent, full, gone };
PortSend send_port_message(int socket, std::string_view text);
/// Nothing: none has come. An empty text: the process is gone.
std::optional<std::string> receive_port_message(int socket);

}  // namespace berth::net
