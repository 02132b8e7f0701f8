// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "base/unique_fd.h"

namespace berth::net {

/// What others do to the rules of this network namespace: the kernel's messages to the group
/// NFNLGRP_NFTABLES. It queues those of a transaction before the system call that made it returns. Never
/// blocks; of one thread.
class FirewallWatch {
  public:
    /// `table`: ours. Changes made by sockets of this process are not others'.
    explicit FirewallWatch(std::string table);

    struct Seen {
        bool ours_was_hurt = false;   ///< something of our table was deleted
        bool others_changed = false;  ///< chains or rules of other tables
        bool is_lossy = false;        ///< messages were lost, so any of these may have happened
    };
    /// All that has come since.
    Seen read();
    /// Another descriptor of the socket, to wait with.
    UniqueFd descriptor() const { return socket_.duplicate(); }

  private:
    bool is_own(uint32_t port);
    void look_at(const char* message, size_t size, Seen& seen);

    std::string table_;
    UniqueFd socket_;
    std::set<uint32_t> own_ports_;
};

}  // namespace berth::net
