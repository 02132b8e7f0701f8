// SPDX-License-Identifier: Apache-2.0
#include "async/thread.h"

#include <pthread.h>

#include <boost/asio/executor_work_guard.hpp>
#include <csignal>

#include "async/loop.h"
#include "base/error.h"
#include "base/log.h"

namespace berth::async {

namespace {

void run_until_stopped(Context& context) {
    auto guard = boost::asio::make_work_guard(context.impl().io);
    while (!context.impl().io.stopped()) {
        try {
            context.impl().io.run();
        } catch (...) {
            // What a callback let out; the loop goes on with the next.
            log::error("event loop: {}", current_exception_message());
        }
    }
}

}  // namespace

Thread::Thread(const std::string& name, unsigned pool_threads) : context_(pool_threads) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
        thread_ = std::thread([this] { run_until_stopped(context_); });
    } catch (...) {
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        throw;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_setname_np(thread_.native_handle(), name.c_str());
}

Thread::~Thread() {
    stop();
}

void Thread::stop() {
    if (!thread_.joinable()) return;
    context_.stop();
    thread_.join();
    context_.join_pool();
}

}  // namespace berth::async
