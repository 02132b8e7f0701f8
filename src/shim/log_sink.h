// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace berth::shim {

enum class Stream : uint8_t { out, err };

enum class LogFormat {
    none,       ///< nothing is kept
    json_file,  ///< Docker's json-file, see log_record.h
    local,      ///< compact, see log_local.h
};

struct LogOptions {
    LogFormat format = LogFormat::json_file;
    std::string path;          ///< of the newest file; its folder must exist
    int directory = AT_FDCWD;  ///< borrowed for the constructor only; `path` is relative to it
    mode_t mode = 0640;
    uint64_t max_size = 0;  ///< bytes after which the next record goes to a new file; 0: no limit
    unsigned max_file = 1;  ///< files in all, at least 1; with 1 the file is emptied in place
    bool compress = false;  ///< rotated files become path.N.gz
    std::string attrs;      ///< "attrs" of each record: a JSON object, already encoded; empty: left out
};

/// Where the container's output is kept. A passive object of the shim's one loop: it never waits for anything
/// but the kernel's page cache, and no call throws, because a log that can't be written must not stop the
/// container.
///
/// Each format is one implementation of this interface.
class LogSink {
  public:
    virtual ~LogSink() = default;
    LogSink() = default;
    LogSink(const LogSink&) = delete;
    LogSink& operator=(const LogSink&) = delete;

    /// Bytes as they were read from the container, cut anywhere. `time_ns`: when they were read, since the
    /// epoch.
    virtual void append(Stream stream, std::string_view chunk, int64_t time_ns) noexcept = 0;
    /// The end of a stream: what it left unfinished is written.
    virtual void flush(Stream stream, int64_t time_ns) noexcept = 0;

    /// Nothing was logged for a while: gives memory back. The next append takes it again.
    virtual void idle() noexcept = 0;
    /// Opens the file anew by its name (someone moved it away). It is also noticed by itself, within a second
    /// of logging, when the file was deleted or moved.
    virtual void reopen() noexcept = 0;
    /// The owner reaps all children; it asks whether this one was the sink's own (a compressor). True: it
    /// was.
    virtual bool child_exited(pid_t pid) noexcept = 0;
    /// Waits for what runs in the background. For the end of the shim, when nobody waits for it any more.
    virtual void drain() noexcept = 0;

    /// What has come of a line that is in no record yet. Valid until the next call.
    virtual std::string_view unfinished(Stream stream) const noexcept = 0;
    /// Records that could not be written, since the start.
    virtual uint64_t dropped() const noexcept = 0;
    /// The errno of the last record that was dropped, 0 if none ever was.
    virtual int last_error() const noexcept = 0;
};

class NullSink final : public LogSink {
  public:
    void append(Stream, std::string_view, int64_t) noexcept override {}
    void flush(Stream, int64_t) noexcept override {}
    void idle() noexcept override {}
    void reopen() noexcept override {}
    bool child_exited(pid_t) noexcept override { return false; }
    void drain() noexcept override {}
    std::string_view unfinished(Stream) const noexcept override { return {}; }
    uint64_t dropped() const noexcept override { return 0; }
    int last_error() const noexcept override { return 0; }
};

/// Throws where the file can't be opened.
std::unique_ptr<LogSink> open_log(const LogOptions& options);

}  // namespace berth::shim
