// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "shim/client_output.h"
#include "shim/loop.h"
#include "shim/stdio.h"

namespace berth::shim {

/// One client at a process's streams: up to two outputs (or one framed) and a source of stdin. Owned by its
/// Stdio.
class Stdio::Attachment final : private ClientOutput::Owner {
  public:
    /// Without `with_source` the request's source is closed: nothing would take it.
    Attachment(Stdio& stdio, Loop& loop, uint64_t id, AttachRequest request, bool with_source);

    uint64_t id() const noexcept { return id_; }

    /// True if a state changed that sweep() should look at.
    bool write(Stream stream, std::string_view chunk, int64_t time_ns);
    /// A stream ended; a framed output goes on for the other one.
    void finish(Stream stream) noexcept;
    void finish_all() noexcept;

    bool slow() const noexcept;
    bool full() const noexcept;
    size_t backlog() const noexcept;
    /// Nothing of it is left.
    bool finished() const noexcept;
    /// Once more without progress while something waits; after 15 times it counts as slow.
    void count_stall() noexcept;

    bool has_source() const noexcept { return source_ && source_->fd; }
    const PassedFd& source() const noexcept { return *source_; }
    void drop_source() noexcept;
    void pause_source(bool pause) noexcept;
    bool hold_stdin() const noexcept { return hold_stdin_; }
    bool ends_with_stdin() const noexcept { return ends_with_stdin_; }

  private:
    void output_changed(ClientOutput& output) override;
    void source_ready(uint32_t events);
    void source_pumped();
    ClientOutput* output_for(Stream stream) noexcept;

    Stdio& stdio_;
    Loop& loop_;
    uint64_t id_;
    Framing framing_;
    std::array<bool, 2> skip_;
    bool lossless_;
    bool hold_stdin_;
    bool ends_with_stdin_;
    bool stalled_out_ = false;
    unsigned stalls_ = 0;
    uint64_t last_delivered_ = 0;
    std::array<std::unique_ptr<ClientOutput>, 2> outputs_;
    std::optional<PassedFd> source_;
    bool source_paused_ = false;
    Watch source_watch_;
    Timer pump_;  ///< instead of source_watch_ for files, which are always ready
};

}  // namespace berth::shim
