// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "shim/client.h"

namespace berth::engine {

/// Starts shims, and keeps one that waits for the next container: to execute a program costs a start as much
/// as to make its cgroups. It ends with the daemon, however that ends. Thread-safe; all of it blocks.
class SpareShim {
  public:
    /// `program`: berth-shim, see ShimProgram::executable().
    explicit SpareShim(std::string program) : program_(std::move(program)) {}

    /// As shim::spawn(), by the one that waits if there is one. The client is subscribed.
    shim::Spawned spawn(int directory, const std::string& id);
    /// Sees to it that one waits. Does nothing where it can't be started: the next spawn() says why.
    void prepare() noexcept;

  private:
    std::optional<shim::WaitingShim> take();

    const std::string program_;
    std::mutex mutex_;
    std::optional<shim::WaitingShim> waiting_;
};

}  // namespace berth::engine
