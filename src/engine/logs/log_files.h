// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"

/// The files of one log, as the shim names them (docs/shim.md): name is the newest, name.1 the one before it,
/// name.2.gz, …
namespace berth::engine {

/// One of them, open. It can be read to its end whatever becomes of its name.
struct LogFileHandle {
    UniqueFd fd;
    dev_t device = 0;
    ino_t inode = 0;
    uint64_t size = 0;       ///< when it was opened
    int64_t changed_ns = 0;  ///< when its content changed last
    unsigned index = 0;      ///< N of name.N, 0 for the newest
    bool compressed = false;

    bool same_file(const LogFileHandle& other) const {
        return device == other.device && inode == other.inode;
    }
};

/// All files of the log, the oldest first: each line once, also when a rotation runs meanwhile. The newest
/// may be missing for a moment (between two renames), or all may be. Throws where a file that is there can't
/// be opened.
std::vector<LogFileHandle> open_log_files(const std::string& path);

/// Those of `files` (as open_log_files gave them) that were written after `last`, which was the newest once
/// and has been read to its end. Finds it by its inode, by its content where it has been compressed, else by
/// the times of change.
std::vector<LogFileHandle> files_after(std::vector<LogFileHandle> files, const LogFileHandle& last);

/// The time of the last record as the compressor left it in the gzip header ({"lastTime":"…"}, as dockerd
/// does). Nothing: unknown, or the file isn't one ordered stretch (shim/log_order.h).
std::optional<int64_t> compressed_last_time(int fd);

/// Offsets where the clock had been set back (shim/log_order.h): with 0 before and `size` behind them, the
/// stretches of the file.
std::vector<uint64_t> log_stretches(int fd, uint64_t size);

}  // namespace berth::engine
