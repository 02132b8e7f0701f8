// SPDX-License-Identifier: Apache-2.0
#include "shim/stdio.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/strings.h"
#include "shim/attachment.h"
#include "sys/file.h"

namespace berth::shim {

namespace {

using namespace std::chrono_literals;

constexpr auto kQuiet = 100ms;
constexpr auto kLongestDrain = 10s;
/// How long a process may take to end after it has closed its outputs before clients are told their end.
constexpr auto kLongestExit = 3s;

void set_nonblocking(int fd) {
    int flags = sys::check(fcntl(fd, F_GETFL), "fcntl");
    sys::check(fcntl(fd, F_SETFL, flags | O_NONBLOCK), "fcntl");
}

struct Pipe {
    UniqueFd read, write;
};

Pipe open_pipe() {
    std::array<int, 2> fds{};
    sys::check(pipe2(fds.data(), O_CLOEXEC), "pipe2");
    return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

/// The null device for the container's process. The inode is the host's, and who holds the descriptor may
/// change its mode, owner and times: not on a read-only mount, which this has of its own. Reads and writes of
/// a device don't mind.
UniqueFd open_null() {
    constexpr const char* kNull = "/dev/null";
    UniqueFd mount(::open_tree(AT_FDCWD, kNull, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    mount_attr readonly{.attr_set = MOUNT_ATTR_RDONLY};
    bool is_readonly =
        mount && ::mount_setattr(mount.get(), "", AT_EMPTY_PATH, &readonly, sizeof readonly) == 0;
    // Without the rights for it there are none to change the inode either.
    if (!is_readonly) return sys::open_file(kNull, O_RDWR);
    return sys::open_file(fmt::format("/proc/self/fd/{}", mount.get()), O_RDWR);
}

}  // namespace

Stdio::Stdio(Loop& loop, StdioListener& listener, bool stdin_once)
    : loop_(loop), listener_(listener), stdin_once_(stdin_once) {
    outputs_[0].stdio = outputs_[1].stdio = this;
    outputs_[1].stream = Stream::err;
}

Stdio::~Stdio() = default;

Stdio::ProcessEnds Stdio::open_pipes(bool in, bool out, bool err) {
    ProcessEnds ends;
    if (in) {
        Pipe pipe = open_pipe();
        set_nonblocking(pipe.write.get());
        stdin_ = std::move(pipe.write);
        ends.fds[0] = std::move(pipe.read);
    }
    std::array wanted = {out, err};
    for (size_t i = 0; i < 2; ++i) {
        if (!wanted[i]) continue;
        Pipe pipe = open_pipe();
        set_nonblocking(pipe.read.get());
        outputs_[i].fd = std::move(pipe.read);
        ends.fds[i + 1] = std::move(pipe.write);
    }
    for (UniqueFd& fd : ends.fds) {
        if (!fd) fd = open_null();
    }
    return ends;
}

void Stdio::use_console(UniqueFd master) {
    set_nonblocking(master.get());
    // epoll knows a descriptor once: reading and writing get one each.
    outputs_[0].fd = master.duplicate();
    outputs_[1].fd.reset();
    stdin_ = master.duplicate();
    console_ = std::move(master);
}

void Stdio::run() {
    for (Output& output : outputs_) {
        if (output.fd)
            output.watch.set<&Output::ready>(loop_, output.fd.get(), paused_ ? 0 : EPOLLIN, &output);
    }
    if (stdin_) {
        stdin_watch_.set<&Stdio::stdin_ready>(loop_, stdin_.get(), stdin_pending_.empty() ? 0 : EPOLLOUT,
                                              this);
    }
}

// --- output

void Stdio::Output::ready(uint32_t) {
    stdio->read(*this);
}

void Stdio::read(Output& output) {
    ssize_t got = sys::retry([&] { return ::read(output.fd.get(), loop_.buffer(), Loop::kBufferSize); });
    if (got > 0) {
        if (draining_) quiet_.arm<&Stdio::quiet_passed>(loop_, kQuiet, this);
        return deliver(output.stream, {loop_.buffer(), static_cast<size_t>(got)});
    }
    if (got < 0 && errno == EAGAIN) return;
    // A pty's master fails with EIO once the last slave is closed.
    end(output);
    if (draining_ && !outputs_[0].fd && !outputs_[1].fd) end_of_drain();
}

void Stdio::deliver(Stream stream, std::string_view chunk) {
    int64_t time_ns = now_ns();
    listener_.output(stream, chunk, time_ns);
    if (attachments_.empty()) return;
    bool changed = false;
    for (auto& attachment : attachments_) changed |= attachment->write(stream, chunk, time_ns);
    if (changed) sweep();
}

void Stdio::end(Output& output) {
    output.watch.reset();
    output.fd.reset();
    listener_.output_ended(output.stream);
    // The pty is both streams.
    bool last = console_ || !outputs_[output.stream == Stream::out ? 1 : 0].fd;
    if (last && !draining_) {
        // Clients ask for the exit code as soon as they have read the end: most often the process's is a
        // moment away.
        last_end_.arm<&Stdio::finish_clients>(loop_, kLongestExit, this);
        return;
    }
    if (last) return finish_clients();
    for (auto& attachment : attachments_) attachment->finish(output.stream);
    sweep();
}

void Stdio::finish_clients() {
    last_end_.cancel();
    for (auto& attachment : attachments_) attachment->finish_all();
    sweep();
}

void Stdio::drain() {
    draining_ = true;
    update_pause();
    stdin_gone();
    if (!outputs_[0].fd && !outputs_[1].fd) return end_of_drain();
    quiet_.arm<&Stdio::quiet_passed>(loop_, kQuiet, this);
    longest_.arm<&Stdio::end_of_drain>(loop_, kLongestDrain, this);
}

void Stdio::quiet_passed() {
    // The loop may have been busy for all that time, or had no processor: what waits to be read is no
    // silence.
    for (const Output& output : outputs_) {
        if (!output.fd) continue;
        pollfd unread{output.fd.get(), POLLIN, 0};
        if (sys::retry([&] { return poll(&unread, 1, 0); }) > 0)
            return quiet_.arm<&Stdio::quiet_passed>(loop_, kQuiet, this);
    }
    end_of_drain();
}

void Stdio::end_of_drain() {
    quiet_.cancel();
    longest_.cancel();
    for (Output& output : outputs_) {
        if (output.fd) end(output);
    }
    finish_clients();
    listener_.drained();
}

// --- clients

void Stdio::attach(uint64_t id, AttachRequest request) {
    std::array<std::string_view, 2> first = request.first;
    auto made = std::make_unique<Attachment>(*this, loop_, id, std::move(request), stdin_open());
    Attachment& attachment = *attachments_.emplace_back(std::move(made));
    for (size_t i = 0; i < 2; ++i) {
        if (!first[i].empty()) attachment.write(outputs_[i].stream, first[i], now_ns());
    }
    for (const Output& output : outputs_) {
        if (!output.fd) attachment.finish(output.stream);
    }
    if (!outputs_[0].fd && !outputs_[1].fd) attachment.finish_all();
    if (!stdin_pending_.empty()) attachment.pause_source(true);
    sweep();
}

bool Stdio::detach(uint64_t id) {
    auto found =
        std::find_if(attachments_.begin(), attachments_.end(), [&](auto& a) { return a->id() == id; });
    if (found == attachments_.end()) return false;
    bool was_source = (*found)->has_source();
    bool holds = (*found)->hold_stdin();
    attachments_.erase(found);
    if (was_source && stdin_once_ && !holds) close_stdin();
    update_pause();
    if (attachments_.empty()) listener_.detached();
    return true;
}

void Stdio::sweep() {
    bool had = !attachments_.empty();
    for (auto it = attachments_.begin(); it != attachments_.end();) {
        if ((*it)->slow()) {
            uint64_t id = (*it)->id();
            uint64_t bytes = (*it)->backlog();
            it = attachments_.erase(it);
            listener_.client_dropped(id, bytes);
        } else if ((*it)->finished()) {
            it = attachments_.erase(it);
        } else {
            ++it;
        }
    }
    update_pause();
    if (had && attachments_.empty()) listener_.detached();
}

void Stdio::update_pause() {
    bool pause = false;
    if (!draining_) {
        for (auto& attachment : attachments_) pause |= attachment->full();
    }
    if (pause == paused_) return;
    paused_ = pause;
    for (Output& output : outputs_) output.watch.change(pause ? 0 : EPOLLIN);
}

void Stdio::drop_stalled() {
    for (auto& attachment : attachments_) attachment->count_stall();
    sweep();
}

void Stdio::drop_all() noexcept {
    attachments_.clear();
}

void Stdio::resize(uint16_t width, uint16_t height) {
    if (!console_) throw Error(ErrorKind::conflict, "the process has no terminal");
    winsize size{};
    size.ws_col = width;
    size.ws_row = height;
    sys::check(ioctl(console_.get(), TIOCSWINSZ, &size), "resize terminal");
}

// --- stdin

void Stdio::read_source(Attachment& attachment) {
    const PassedFd& source = attachment.source();
    ssize_t got = sys::retry([&] {
        return source.is_socket ? recv(source.fd.get(), loop_.buffer(), Loop::kBufferSize, MSG_DONTWAIT)
                                : ::read(source.fd.get(), loop_.buffer(), Loop::kBufferSize);
    });
    if (got > 0) return feed({loop_.buffer(), static_cast<size_t>(got)});
    if (got < 0 && errno == EAGAIN) return;
    source_ended(attachment);
}

void Stdio::source_ended(Attachment& attachment) {
    bool holds = attachment.hold_stdin();
    attachment.drop_source();
    if (attachment.ends_with_stdin()) attachment.finish_all();
    if (stdin_once_ && !holds) close_stdin();
    sweep();
}

void Stdio::feed(std::string_view data) {
    if (!stdin_) return;
    ssize_t written = sys::retry([&] { return ::write(stdin_.get(), data.data(), data.size()); });
    if (written < 0 && errno != EAGAIN) return stdin_gone();
    data.remove_prefix(written > 0 ? static_cast<size_t>(written) : 0);
    if (data.empty()) return;
    stdin_pending_ = data;
    stdin_watch_.change(EPOLLOUT);
    pause_sources(true);
}

void Stdio::stdin_ready(uint32_t events) {
    if (stdin_pending_.empty() || (events & EPOLLOUT) == 0) {
        // The process closed its end, or the terminal is gone.
        if ((events & (EPOLLERR | EPOLLHUP)) != 0) stdin_gone();
        return;
    }
    ssize_t written =
        sys::retry([&] { return ::write(stdin_.get(), stdin_pending_.data(), stdin_pending_.size()); });
    if (written < 0) {
        if (errno != EAGAIN) stdin_gone();
        return;
    }
    stdin_pending_.erase(0, static_cast<size_t>(written));
    if (!stdin_pending_.empty()) return;
    std::string().swap(stdin_pending_);
    if (closing_stdin_) return stdin_gone();
    stdin_watch_.change(0);
    pause_sources(false);
}

void Stdio::close_stdin() {
    // A terminal's input has no end that could be told from outside.
    if (!stdin_ || console_) return;
    closing_stdin_ = true;
    if (stdin_pending_.empty()) stdin_gone();
}

void Stdio::stdin_gone() {
    stdin_watch_.reset();
    stdin_.reset();
    std::string().swap(stdin_pending_);
    for (auto& attachment : attachments_) attachment->drop_source();
    sweep();
}

void Stdio::pause_sources(bool pause) {
    for (auto& attachment : attachments_) attachment->pause_source(pause);
}

}  // namespace berth::shim
