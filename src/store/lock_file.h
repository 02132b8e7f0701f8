// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/unique_fd.h"

namespace berth::store {

/// flock(2), whose libc header is hidden by Berth's of the same name: 0, or -1 and errno. `operation`:
/// LOCK_EX, ….
int flock_fd(int fd, int operation);

/// A file that one owner in all processes holds locked (flock(2)), until this object or its process ends. The
/// file itself stays, unless it is removed. Who has the lock has the file of that name: it was neither
/// renamed nor removed.
class [[nodiscard]] LockFile {
  public:
    static constexpr std::chrono::milliseconds kForever = std::chrono::milliseconds::max();

    /// Opens or makes <dir>/<name> and locks it. Nothing where another owner keeps it for longer than
    /// `limit`.
    static std::optional<LockFile> acquire(int dir, const std::string& name, std::chrono::milliseconds limit);
    /// Locks a present file; nothing where it is absent or has an owner. `absent` tells which.
    static std::optional<LockFile> try_present(int dir, const std::string& name, bool* absent = nullptr);

    int fd() const { return fd_.get(); }
    /// Removes the file, then lets go: whoever waits for it makes a new one. `dir` and `name` as it was
    /// locked with; a file that has that name by now, after this one was renamed or removed, stays.
    void remove(int dir, const std::string& name) noexcept;
    void release() { fd_.reset(); }

  private:
    explicit LockFile(UniqueFd fd) : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

}  // namespace berth::store
