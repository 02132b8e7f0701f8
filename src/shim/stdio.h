// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "shim/client_output.h"
#include "shim/log_sink.h"
#include "shim/loop.h"

/// The standard streams of one process (the container's init, or an exec), and the clients attached to them.
///
///   process ── pipes or pty ──► read ──► StdioListener::output (the log), then each attachment's
///   ClientOutput process ◄── pipe or pty ──◄ kept (at most one chunk) ◄── any number of attached sources
///
/// No client can make it wait but a lossless one.
namespace berth::shim {

enum class Framing {
    raw,
    docker,  ///< before each chunk: stream, 3 × 0, length (4 bytes, big endian)
    log,     ///< the same 8 bytes, then nanoseconds since the epoch (8 bytes, big endian)
};

/// What a client asks for; empty descriptors are streams that it doesn't want. Descriptors are taken over.
struct AttachRequest {
    UniqueFd source{};           ///< read for stdin
    UniqueFd out{};              ///< with a framing but raw: both streams,
    std::array<bool, 2> skip{};  ///< but not these
    UniqueFd err{};
    Framing framing = Framing::raw;
    bool lossless = false;
    bool hold_stdin = false;       ///< stdin stays open when this source ends, even with `stdin_once`
    bool ends_with_stdin = false;  ///< the outputs end with the source
    /// Delivered before anything else, by stream (borrowed for the call).
    std::array<std::string_view, 2> first{};
};

class StdioListener {
  public:
    virtual void output(Stream stream, std::string_view chunk, int64_t time_ns) = 0;
    virtual void output_ended(Stream stream) = 0;
    /// A client didn't read and was dropped; `bytes` waited for it.
    virtual void client_dropped(uint64_t attachment, uint64_t bytes) = 0;
    /// After drain(): nothing more will come. May destroy the Stdio.
    virtual void drained() = 0;
    /// The last attachment went away. May destroy the Stdio.
    virtual void detached() = 0;

  protected:
    ~StdioListener() = default;
};

class Stdio {
  public:
    /// `stdin_once`: stdin closes for good when a source ends.
    Stdio(Loop& loop, StdioListener& listener, bool stdin_once);
    ~Stdio();
    Stdio(const Stdio&) = delete;
    Stdio& operator=(const Stdio&) = delete;

    /// The process's ends of new pipes (or /dev/null for streams that aren't wanted); close them once it
    /// runs.
    struct ProcessEnds {
        std::array<UniqueFd, 3> fds;
        std::array<int, 3> numbers() const { return {fds[0].get(), fds[1].get(), fds[2].get()}; }
    };
    ProcessEnds open_pipes(bool in, bool out, bool err);
    /// A pty instead of pipes, which are forgotten.
    void use_console(UniqueFd master);
    /// Begins to read. Attachments made before get all.
    void run();

    /// `id` is the caller's name for it.
    void attach(uint64_t id, AttachRequest request);
    /// False: no such attachment.
    bool detach(uint64_t id);
    /// After what waits has been written.
    void close_stdin();
    /// Throws conflict where there is no terminal.
    void resize(uint16_t width, uint16_t height);

    /// The process has ended: reads what is left until the streams' end, or until nothing came for 100 ms
    /// (somebody outside holds them), then calls drained(). Lossless clients hold nothing up any more.
    void drain();
    /// Each client that isn't lossless and took nothing during 15 calls is dropped.
    void drop_stalled();
    void drop_all() noexcept;

    bool has_console() const noexcept { return static_cast<bool>(console_); }
    bool stdin_open() const noexcept { return static_cast<bool>(stdin_) && !closing_stdin_; }
    size_t attachments() const noexcept { return attachments_.size(); }

  private:
    struct Output {
        Stdio* stdio = nullptr;
        Stream stream = Stream::out;
        UniqueFd fd;
        Watch watch;
        void ready(uint32_t events);
    };

    class Attachment;

    void read(Output& output);
    void deliver(Stream stream, std::string_view chunk);
    void end(Output& output);
    void finish_clients();
    void quiet_passed();
    void end_of_drain();
    void sweep();
    void update_pause();

    void read_source(Attachment& attachment);
    void source_ended(Attachment& attachment);
    void feed(std::string_view data);
    void stdin_ready(uint32_t events);
    void stdin_gone();
    void pause_sources(bool pause);

    Loop& loop_;
    StdioListener& listener_;
    bool stdin_once_;

    UniqueFd console_;  ///< for resizing; Output and stdin_ have their own
    std::array<Output, 2> outputs_;
    bool paused_ = false;
    bool draining_ = false;
    Timer quiet_;
    Timer longest_;
    Timer last_end_;

    UniqueFd stdin_;
    Watch stdin_watch_;
    std::string stdin_pending_;
    bool closing_stdin_ = false;

    std::list<std::unique_ptr<Attachment>> attachments_;
};

}  // namespace berth::shim
