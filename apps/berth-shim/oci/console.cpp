// SPDX-License-Identifier: Apache-2.0
#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sys/file.h"

namespace berth::oci {

namespace {

int find_terminal() {
    for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (isatty(fd)) return fd;
    return -1;
}

/// A terminal that polls writable may still block in the middle of a write. O_NONBLOCK on our stdout itself
/// would hold for everybody who shares it.
UniqueFd open_output() {
    if (!isatty(STDOUT_FILENO)) return {};
    return UniqueFd(open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

}  // namespace

pollfd Relay::wanted() const {
    if (holds_bytes()) return {to_, POLLOUT, 0};
    return {ended_ ? -1 : from_, POLLIN, 0};
}

bool Relay::read_more() {
    ssize_t count = sys::retry([&] { return read(from_, bytes_.data(), bytes_.size()); });
    begin_ = 0;
    end_ = count > 0 ? static_cast<size_t>(count) : 0;
    // EIO: the other side of a terminal is closed.
    if (count == 0 || (count < 0 && errno != EAGAIN)) ended_ = true;
    if (sink_gone_) begin_ = end_;
    return count > 0;
}

void Relay::copy(short revents) {
    if (revents == 0) return;
    if (!holds_bytes()) {
        read_more();
        return;
    }
    ssize_t count = sys::retry([&] { return write(to_, bytes_.data() + begin_, end_ - begin_); });
    if (count >= 0) {
        begin_ += static_cast<size_t>(count);
    } else if (errno != EAGAIN) {
        sink_gone_ = true;
        begin_ = end_;
    }
}

std::optional<winsize> own_terminal_size() {
    winsize size{};
    int terminal = find_terminal();
    if (terminal < 0 || ioctl(terminal, TIOCGWINSZ, &size) < 0 || size.ws_col == 0) return std::nullopt;
    return size;
}

Console::Console(UniqueFd master)
    : master_(std::move(master)),
      peer_(ioctl(master_.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)),
      terminal_(find_terminal()),
      output_(open_output()),
      to_process_(STDIN_FILENO, master_.get()),
      from_process_(master_.get(), output_ ? output_.get() : STDOUT_FILENO) {
    // The descriptor is ours alone.
    sys::check(fcntl(master_.get(), F_SETFL, fcntl(master_.get(), F_GETFL) | O_NONBLOCK), "fcntl");
    resize();
    if (terminal_ >= 0) raw_.emplace(terminal_);
}

void Console::add_to(std::vector<pollfd>& polled) const {
    polled.push_back(to_process_.wanted());
    polled.push_back(from_process_.wanted());
}

void Console::copy(std::span<const pollfd> polled) {
    to_process_.copy(polled[0].revents);
    from_process_.copy(polled[1].revents);
}

void Console::resize() {
    if (std::optional<winsize> size = own_terminal_size()) ioctl(master_.get(), TIOCSWINSZ, &*size);
}

bool Console::drain_begins_or_goes_on() {
    peer_.reset();
    to_process_.stop_reading();
    if (from_process_.holds_bytes()) return true;
    // poll makes the kernel pass on what the process wrote last; read alone could miss it.
    pollfd master{master_.get(), POLLIN, 0};
    return poll(&master, 1, 0) > 0 && from_process_.read_more();
}

}  // namespace berth::oci
