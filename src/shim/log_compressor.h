// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>

namespace berth::shim {

/// Turns the rotated files of a log into .gz, one at a time, newest first (it will stay longest), in a forked
/// child of low priority: deflate's memory is the child's, and the log goes on being written and rotated
/// meanwhile. So the child works on the inode, wherever rotation moves its name:
///
///   child   name.N (inode I) → .name.I.tmp, synced → .name.I.gz
///   parent  finds the N that inode I has by now: .name.I.gz → name.N.gz, then removes name.N
///
/// Whatever is killed, and when, at each moment a complete copy of each line is in name.N or name.N.gz.
/// recover() throws away a half-made .tmp, finishes a complete .gz, and of both name.N and name.N.gz keeps
/// the first. A child that failed leaves the file as it is; it is tried again after the next rotation. A
/// reader takes name.N, else name.N.gz.
class LogCompressor {
  public:
    /// `directory` is borrowed and must outlive this.
    LogCompressor(int directory, std::string name, unsigned max_file);
    /// Kills the child; its file stays uncompressed.
    ~LogCompressor() { stop(); }
    LogCompressor(const LogCompressor&) = delete;
    LogCompressor& operator=(const LogCompressor&) = delete;

    void recover() noexcept;
    /// Starts a child for the newest rotated file that is not compressed, unless one runs.
    void start() noexcept;
    /// name.<index> is about to be removed: a child that works on it is stopped first.
    void forget(unsigned index) noexcept;
    /// True if `pid` was the child: it has been reaped by the caller, its work is finished here and the next
    /// is begun.
    bool child_exited(pid_t pid) noexcept;
    void stop() noexcept;
    /// Waits until nothing is left to compress (or can't be).
    void drain() noexcept;

    pid_t child() const noexcept { return child_; }

  private:
    std::string rotated(unsigned index, const char* suffix = "") const;
    std::string hidden(ino_t inode, const char* suffix) const;
    unsigned index_of(ino_t inode) const noexcept;
    bool finish(ino_t inode) noexcept;

    int directory_;
    std::string name_;
    unsigned max_file_;
    pid_t child_ = -1;
    ino_t inode_ = 0;  ///< what the child works on
};

}  // namespace berth::shim
