// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

namespace berth {

/// Owns a file descriptor. Every descriptor that Berth opens is close-on-exec; what a child must inherit is
/// named where it is spawned.
class [[nodiscard]] UniqueFd {
  public:
    UniqueFd() noexcept = default;
    explicit UniqueFd(int fd) noexcept : fd_(fd) {}
    UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept {
        if (this != &other) reset(other.release());
        return *this;
    }
    UniqueFd(const UniqueFd&) = delete;
    UniqueFd& operator=(const UniqueFd&) = delete;
    ~UniqueFd() { reset(); }

    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
    void reset(int fd = -1) noexcept;

    /// A second, close-on-exec descriptor of the same open file. Throws.
    UniqueFd duplicate() const;

  private:
    int fd_ = -1;
};

}  // namespace berth
