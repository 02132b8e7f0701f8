// SPDX-License-Identifier: Apache-2.0
#include "async/descriptor.h"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include "async/loop.h"
#include "base/error.h"

namespace berth::async {

namespace asio = boost::asio;
using Kind = asio::posix::descriptor_base::wait_type;

struct Descriptor::State {
    explicit State(asio::io_context& io) : descriptor(io) {}
    asio::posix::stream_descriptor descriptor;
};

Descriptor::Descriptor(Context& context, UniqueFd fd) : state_(std::make_shared<State>(context.impl().io)) {
    boost::system::error_code error;
    state_->descriptor.assign(fd.get(), error);
    if (error) throw errno_error(error.value(), "watch a descriptor");
    (void)fd.release();
}

Descriptor::Descriptor(Descriptor&&) noexcept = default;

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    if (this == &other) return *this;
    close();
    state_ = std::move(other.state_);
    return *this;
}

Descriptor::~Descriptor() {
    close();
}

int Descriptor::fd() const {
    return state_ && state_->descriptor.is_open() ? state_->descriptor.native_handle() : -1;
}

Task<void> Descriptor::wait(std::shared_ptr<State> state, int what) {
    const char* closed = "use of closed descriptor";
    if (!state || !state->descriptor.is_open()) throw Error(ErrorKind::unavailable, closed, EBADF);
    boost::system::error_code error;
    auto kind = static_cast<Kind>(what);
    co_await state->descriptor.async_wait(kind, asio::redirect_error(asio::use_awaitable, error));
    if (!state->descriptor.is_open()) throw Error(ErrorKind::unavailable, closed, EBADF);
    if (error) throw boost::system::system_error(error);  // cancelled
}

Task<void> Descriptor::wait_readable() {
    return wait(state_, Kind::wait_read);
}
Task<void> Descriptor::wait_writable() {
    return wait(state_, Kind::wait_write);
}
Task<void> Descriptor::wait_hangup() {
    return wait(state_, Kind::wait_error);
}

void Descriptor::close() {
    boost::system::error_code ignored;
    if (state_ && state_->descriptor.is_open()) state_->descriptor.close(ignored);
}

UniqueFd Descriptor::release() {
    return UniqueFd(fd() < 0 ? -1 : state_->descriptor.release());
}

}  // namespace berth::async
