// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

struct nft_ctx;

/// libnftables(3), opened at run time: Debian has it as a shared library only, and who starts the daemon
/// without packet rules needs none.
namespace berth::net {

/// A context of the library: its netlink socket belongs to the network namespace of the thread that made it.
/// Blocking. Any thread, one at a time; calls of several contexts wait for each other, since the library
/// promises nothing about threads.
class NftContext {
  public:
    /// unavailable where the library is not installed, with the package's name.
    NftContext();
    ~NftContext();
    NftContext(const NftContext&) = delete;
    NftContext& operator=(const NftContext&) = delete;

    /// All commands in one transaction. What throws has changed nothing; the message has the kernel's words
    /// and the command that it didn't take.
    void run(const std::string& commands);
    /// What nft would print, with handles ("# handle 7"), without counters' values.
    std::string list(const std::string& command);
    /// Whether the kernel would take the commands. Changes nothing.
    bool would_run(const std::string& commands);

  private:
    nft_ctx* context_ = nullptr;
};

}  // namespace berth::net
