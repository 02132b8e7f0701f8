// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "async/context.h"

/// What lies behind a Context. For the sources of async/ and http/ alone: it shows Asio.
namespace berth::async {

/// How other threads reach a context that may have ended meanwhile. Held by whoever wants to.
class Mailbox {
  public:
    explicit Mailbox(boost::asio::io_context& io) : io_(&io) {}
    /// Calls `work` on the context's thread. Where the context has ended `work` is destroyed.
    void post(std::move_only_function<void()> work);
    void close();

  private:
    std::mutex mutex_;
    boost::asio::io_context* io_;
};

struct Context::Impl {
    explicit Impl(unsigned threads) : pool_threads(threads), mailbox(std::make_shared<Mailbox>(io)) {}

    boost::asio::io_context io{1};  // posts come from other threads as well, so its locks stay
    unsigned pool_threads;
    /// Made at the first use. After `io`, since work that never began holds coroutines, and they hold what is
    /// io's.
    std::optional<boost::asio::thread_pool> pool;
    std::shared_ptr<Mailbox> mailbox;
};

/// The context whose loop an executor belongs to.
Context& context_of(const boost::asio::any_io_executor& executor);

/// "1m30s", "30s", "500ms".
std::string duration_text(std::chrono::milliseconds duration);

}  // namespace berth::async
