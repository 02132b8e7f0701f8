// SPDX-License-Identifier: Apache-2.0
#include "api/line_stream.h"

#include <utility>

#include "async/context.h"
#include "engine/engine.h"
#include "engine/images/progress_lines.h"

namespace berth::api {

namespace {

/// What was told and not sent yet. Of the stream context's thread.
struct Lines {
    explicit Lines(async::Context& context) : arrived(context) {}

    std::string waiting;
    bool is_over = false;
    std::exception_ptr failure;
    async::Event arrived;
};

async::Task<void> produce(LineOperation operation, std::shared_ptr<Lines> lines) {
    std::function<void(std::string)> sink = [lines](std::string line) {
        lines->waiting += line;
        lines->arrived.set();
    };
    try {
        co_await operation(std::move(sink));
    } catch (...) {
        lines->failure = std::current_exception();
    }
    lines->is_over = true;
    lines->arrived.set();
}

std::string failure_text(std::exception_ptr failure) {
    try {
        std::rethrow_exception(failure);
    } catch (...) {
        return current_exception_message();
    }
}

/// A registry that can't be reached is no fault of the client, and no reason for it to try again at once.
[[noreturn]] void throw_first(std::exception_ptr failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const http::StatusError&) {
        throw;
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::unavailable) throw;
        throw Error(ErrorKind::internal, error.what(), error.code());
    }
}

async::Task<void> send_lines(http::Response& response, std::shared_ptr<Lines> lines, bool always_ok) {
    while (true) {
        while (lines->waiting.empty() && !lines->is_over) {
            lines->arrived.reset();
            co_await lines->arrived.wait();
        }
        if (lines->waiting.empty()) break;
        if (!response.started()) co_await response.start();
        std::string batch = std::exchange(lines->waiting, {});
        co_await response.write(batch);
    }
    if (lines->failure && async::is_cancelled(lines->failure)) std::rethrow_exception(lines->failure);
    if (lines->failure && !response.started() && !always_ok) throw_first(lines->failure);
    if (!response.started()) co_await response.start();
    if (lines->failure) {
        std::string last = engine::error_line(failure_text(lines->failure));
        co_await response.write(last);
    }
    co_await response.finish();
}

async::Task<void> run(http::Request& request, http::Response& response, async::Context& streams,
                      LineOperation operation, LineStreamOptions options) {
    auto lines = std::make_shared<Lines>(streams);
    std::vector<async::Task<void>> both;
    both.push_back(produce(std::move(operation), lines));
    both.push_back(send_lines(response, lines, options.always_ok));
    async::Task<void> work = async::all_of(std::move(both));
    if (options.reads_body)
        co_await std::move(work);
    else
        co_await request.while_connected(std::move(work));
}

}  // namespace

async::Task<void> stream_lines(Call& call, LineOperation operation, LineStreamOptions options) {
    async::Context& streams = call.engine.streams();
    call.response.headers.set("Content-Type", "application/json");
    async::Task<void> work = run(call.request, call.response, streams, std::move(operation), options);
    co_await call.response.run_on(streams, std::move(work));
}

}  // namespace berth::api
