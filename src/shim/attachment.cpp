// SPDX-License-Identifier: Apache-2.0
#include "shim/attachment.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>

namespace berth::shim {

namespace {

struct Header {
    std::array<char, 16> bytes{};
    size_t size = 0;
    std::string_view view() const { return {bytes.data(), size}; }
};

void put_big_endian(char* to, uint64_t value, int size) {
    for (int i = size - 1; i >= 0; --i, value >>= 8) to[i] = static_cast<char>(value & 0xff);
}

Header make_header(Framing framing, Stream stream, size_t length, int64_t time_ns) {
    Header header;
    if (framing == Framing::raw) return header;
    header.bytes[0] = stream == Stream::out ? 1 : 2;
    put_big_endian(&header.bytes[4], length, 4);
    header.size = 8;
    if (framing == Framing::log) {
        put_big_endian(&header.bytes[8], static_cast<uint64_t>(time_ns), 8);
        header.size = 16;
    }
    return header;
}

constexpr unsigned kMaxStalls = 15;

/// Nobody will read this socket any more. What waits in it is taken out: a unix socket that is closed over
/// unread bytes ends the other side's reading with ECONNRESET instead of an end.
void discard_input(int socket, Loop& loop) noexcept {
    ::shutdown(socket, SHUT_RD);
    while (::recv(socket, loop.buffer(), Loop::kBufferSize, MSG_DONTWAIT) > 0) {
    }
}

}  // namespace

Stdio::Attachment::Attachment(Stdio& stdio, Loop& loop, uint64_t id, AttachRequest request, bool with_source)
    : stdio_(stdio),
      loop_(loop),
      id_(id),
      framing_(request.framing),
      skip_(request.skip),
      lossless_(request.lossless),
      hold_stdin_(request.hold_stdin),
      ends_with_stdin_(request.ends_with_stdin) {
    // Two outputs may be one socket, which ends with the last of them.
    bool alone = !request.out || !request.err;
    ClientOutput::Owner& owner = *this;
    if (request.out)
        outputs_[0] = std::make_unique<ClientOutput>(loop, std::move(request.out), lossless_, alone, owner);
    if (request.err)
        outputs_[1] = std::make_unique<ClientOutput>(loop, std::move(request.err), lossless_, alone, owner);
    if (!request.source || !with_source) return;
    source_ = adopt_passed_fd(std::move(request.source), O_RDONLY);
    bool waits = source_watch_.set<&Attachment::source_ready>(loop, source_->fd.get(), EPOLLIN, this);
    if (!waits) pump_.arm<&Attachment::source_pumped>(loop, std::chrono::milliseconds(0), this);
}

ClientOutput* Stdio::Attachment::output_for(Stream stream) noexcept {
    if (skip_[stream == Stream::err ? 1 : 0]) return nullptr;
    return outputs_[framing_ == Framing::raw && stream == Stream::err ? 1 : 0].get();
}

bool Stdio::Attachment::write(Stream stream, std::string_view chunk, int64_t time_ns) {
    ClientOutput* output = output_for(stream);
    if (output == nullptr) return false;
    output->write(make_header(framing_, stream, chunk.size(), time_ns).view(), chunk);
    return output->state() != ClientOutput::State::open || output->full();
}

void Stdio::Attachment::finish(Stream stream) noexcept {
    if (framing_ != Framing::raw) return;
    if (ClientOutput* output = output_for(stream)) output->finish();
}

void Stdio::Attachment::finish_all() noexcept {
    for (auto& output : outputs_) {
        if (output) output->finish();
    }
}

bool Stdio::Attachment::slow() const noexcept {
    if (stalled_out_) return true;
    return std::ranges::any_of(
        outputs_, [](auto& output) { return output && output->state() == ClientOutput::State::slow; });
}

bool Stdio::Attachment::full() const noexcept {
    return std::ranges::any_of(outputs_, [](auto& output) { return output && output->full(); });
}

size_t Stdio::Attachment::backlog() const noexcept {
    size_t total = 0;
    for (auto& output : outputs_) total += output ? output->backlog() : 0;
    return total;
}

bool Stdio::Attachment::finished() const noexcept {
    return !has_source() && std::ranges::none_of(outputs_, [](auto& output) {
        return output && output->state() == ClientOutput::State::open;
    });
}

void Stdio::Attachment::count_stall() noexcept {
    if (lossless_ || backlog() == 0) return;
    uint64_t delivered = 0;
    for (auto& output : outputs_) delivered += output ? output->delivered() : 0;
    stalls_ = delivered == last_delivered_ ? stalls_ + 1 : 0;
    last_delivered_ = delivered;
    stalled_out_ = stalls_ >= kMaxStalls;
}

void Stdio::Attachment::drop_source() noexcept {
    if (!has_source()) return;
    source_watch_.reset();
    pump_.cancel();
    if (source_->is_socket) discard_input(source_->fd.get(), loop_);
    source_->fd.reset();
}

void Stdio::Attachment::pause_source(bool pause) noexcept {
    if (!has_source() || pause == source_paused_) return;
    source_paused_ = pause;
    if (source_watch_.active()) {
        source_watch_.change(pause ? 0 : EPOLLIN);
    } else if (pause) {
        pump_.cancel();
    } else {
        pump_.arm<&Attachment::source_pumped>(loop_, std::chrono::milliseconds(0), this);
    }
}

void Stdio::Attachment::output_changed(ClientOutput&) {
    stdio_.sweep();
}

void Stdio::Attachment::source_ready(uint32_t events) {
    // While paused only the loss of the other end is reported, over and over; what it sent before is read
    // later.
    if (source_paused_) {
        if ((events & (EPOLLERR | EPOLLHUP)) != 0) source_watch_.reset();
        return;
    }
    stdio_.read_source(*this);
}

void Stdio::Attachment::source_pumped() {
    pump_.arm<&Attachment::source_pumped>(loop_, std::chrono::milliseconds(0), this);
    stdio_.read_source(*this);
}

}  // namespace berth::shim
