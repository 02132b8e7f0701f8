// SPDX-License-Identifier: Apache-2.0
#include "shim/client_output.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

#include "sys/file.h"

namespace berth::shim {

PassedFd adopt_passed_fd(UniqueFd fd, int access_mode) {
    struct stat info{};
    sys::check(fstat(fd.get(), &info), "fstat of a passed descriptor");
    if (S_ISSOCK(info.st_mode)) return {std::move(fd), true};
    if (S_ISREG(info.st_mode)) return {std::move(fd), false};
    int flags = fcntl(fd.get(), F_GETFL);
    if ((flags & O_NONBLOCK) != 0) return {std::move(fd), false};
    std::string path = fmt::format("/proc/self/fd/{}", fd.get());
    UniqueFd own(open(path.c_str(), access_mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (own) return {std::move(own), false};
    fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK);
    return {std::move(fd), false};
}

ClientOutput::ClientOutput(Loop& loop, UniqueFd fd, bool lossless, bool ends_socket, Owner& owner)
    : fd_(adopt_passed_fd(std::move(fd), O_WRONLY)),
      lossless_(lossless),
      ends_socket_(ends_socket),
      owner_(owner) {
    // Without events it still tells when the reader goes away.
    watch_.set<&ClientOutput::ready>(loop, fd_.fd.get(), 0, this);
}

void ClientOutput::write(std::string_view header, std::string_view data) {
    if (state_ != State::open || finished_) return;
    size_t total = header.size() + data.size();
    size_t done = backlog_.empty() ? write_now(header, data) : 0;
    if (state_ != State::open || done == total) return;
    if (!lossless_ && backlog() + total - done > kMaxBacklog) return give_up(State::slow);
    keep(header, data, done);
}

void ClientOutput::finish() noexcept {
    finished_ = true;
    if (state_ == State::open && backlog() == 0) give_up(State::delivered);
}

size_t ClientOutput::write_now(std::string_view header, std::string_view data) noexcept {
    std::array<iovec, 2> parts = {iovec{const_cast<char*>(header.data()), header.size()},
                                  iovec{const_cast<char*>(data.data()), data.size()}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    ssize_t written = sys::retry([&] {
        return fd_.is_socket ? sendmsg(fd_.fd.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL)
                             : writev(fd_.fd.get(), parts.data(), parts.size());
    });
    if (written < 0) {
        if (errno != EAGAIN) give_up(State::gone);
        return 0;
    }
    delivered_ += static_cast<uint64_t>(written);
    return static_cast<size_t>(written);
}

void ClientOutput::keep(std::string_view header, std::string_view data, size_t skip) {
    if (sent_ > 0 && sent_ >= backlog_.size() / 2) {
        backlog_.erase(0, sent_);
        sent_ = 0;
    }
    if (skip < header.size()) backlog_ += header.substr(skip);
    backlog_ += data.substr(skip > header.size() ? skip - header.size() : 0);
    watch_.change(EPOLLOUT);
}

void ClientOutput::ready(uint32_t events) {
    if (backlog() > 0 && (events & EPOLLOUT) != 0) {
        size_t written = write_now({}, std::string_view(backlog_).substr(sent_));
        if (state_ == State::open) {
            sent_ += written;
            if (backlog() == 0) {
                std::string().swap(backlog_);
                sent_ = 0;
                watch_.change(0);
                if (finished_) give_up(State::delivered);
            }
        }
    } else if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
        give_up(State::gone);
    }
    owner_.output_changed(*this);
}

void ClientOutput::give_up(State state) noexcept {
    state_ = state;
    watch_.reset();
    // The client may be waiting for the end while stdin's source, or the daemon, holds the same socket.
    if (state == State::delivered && ends_socket_ && fd_.is_socket) ::shutdown(fd_.fd.get(), SHUT_WR);
    fd_.fd.reset();
    if (state != State::slow) {
        std::string().swap(backlog_);
        sent_ = 0;
    }
}

}  // namespace berth::shim
