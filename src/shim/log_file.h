// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "shim/log_compressor.h"
#include "shim/log_sink.h"

namespace berth::shim {

/// The files of one log: `name` is written, `name.1` is the one before it, up to `name.<max_file - 1>`; each
/// rotated one may be compressed (`name.N.gz`). Only whole records (lines) are ever left in them.
///
/// Rotation, each step a rename, so that a kill between any two of them loses nothing:
///
///   .name.new is made; name.<max_file - 1> is removed; name.N → name.N+1, highest first; name → name.1;
///   .name.new → name
class LogFile {
  public:
    /// Opens or makes the file, cuts off half a record at its end and tidies up after a kill. Throws.
    explicit LogFile(const LogOptions& options);

    /// Appends `records` (each ends with a newline) in one write(2). Returns how many records did not get in:
    /// then last_error() says why, and the file ends with the last whole one that did.
    uint64_t write(std::string_view records) noexcept;

    /// Whether the next record belongs into a new file, when `pending` bytes are still to be written to this
    /// one.
    bool full(size_t pending) const noexcept { return rotate_at_ != 0 && size_ + pending >= rotate_at_; }
    /// The record that is written next is older than the one before it: notes that in the file (log_order.h).
    /// False: it can't be noted.
    bool note_step() noexcept;
    /// When the file that the constructor found was written last; 0: it was empty.
    int64_t last_write_ns() const noexcept { return last_write_ns_; }

    /// Where a step fails the present file stays in use and grows for a while before the next attempt.
    void rotate() noexcept;

    /// Opens the file anew if `name` is no longer the open file; takes over its size if somebody else changed
    /// it.
    void check_name() noexcept;
    void reopen() noexcept;

    int last_error() const noexcept { return last_error_; }
    LogCompressor& compressor() noexcept { return compressor_; }

  private:
    UniqueFd open_named(const std::string& name, int flags) noexcept;
    bool adopt(UniqueFd file) noexcept;
    bool cut_half_record() noexcept;
    bool shift() noexcept;
    void postpone_rotation() noexcept;

    std::string name_;
    mode_t mode_;
    uint64_t max_size_;
    unsigned max_file_;
    bool compress_;
    UniqueFd directory_;
    UniqueFd file_;
    uint64_t size_ = 0;
    uint64_t rotate_at_ = 0;
    int last_error_ = 0;
    int64_t last_write_ns_ = 0;
    bool no_steps_ = false;  ///< steps can't be noted in this file (any more)
    bool torn_ = false;      ///< half a record is at the end and could not be cut off yet
    LogCompressor compressor_;
};

}  // namespace berth::shim
