// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal/relay.h"

#include <array>
#include <optional>
#include <vector>

#include "base/error.h"
#include "cli/terminal/detach_keys.h"
#include "cli/terminal/local_file.h"
#include "cli/terminal/pass_on.h"

namespace berth::cli {

namespace {

constexpr size_t kBufferSize = 64 * 1024;

/// What the coroutines of one relay share.
struct Joined {
    Joined(async::Context& context, Relay streams)
        : streams(std::move(streams)), ended(context), context(context) {}
    Relay streams;
    async::Event
        ended;  ///< the output has; nobody who waits for it needs to be cancelled, which costs an exception
    async::Context& context;
    bool is_detached = false;
};

async::Task<void> send_all(async::Stream& to, std::string_view data) {
    co_await to.write(std::as_bytes(std::span(data)));
}

/// False where the keys were typed.
async::Task<bool> copy_input(Joined& joined) {
    LocalFile in(joined.context, joined.streams.in);
    std::vector<std::byte> buffer(kBufferSize);
    std::optional<DetachScanner> scanner;
    if (!joined.streams.detach_keys.empty()) scanner.emplace(joined.streams.detach_keys);
    std::string passed;
    while (true) {
        size_t count = co_await in.read_some(buffer);
        if (count == 0) co_return true;
        std::string_view typed(reinterpret_cast<const char*>(buffer.data()), count);
        if (!scanner) {
            co_await send_all(*joined.streams.remote, typed);
            continue;
        }
        passed.clear();
        bool is_detached = scanner->scan(typed, passed);
        if (!passed.empty()) co_await send_all(*joined.streams.remote, passed);
        if (is_detached) co_return false;
    }
}

async::Task<void> input(Joined& joined) {
    bool has_output = joined.streams.out >= 0 || joined.streams.err >= 0;
    try {
        if (joined.streams.in >= 0) {
            joined.is_detached = !co_await copy_input(joined);
            if (joined.is_detached) co_return;
        }
        co_await joined.streams.remote->shutdown_write();
    } catch (const Error&) {
        // A container that reads no more: its output tells how it ended.
        if (!has_output) throw;
    }
    if (has_output) co_await joined.ended.wait();
}

async::Task<void> output(Joined& joined) {
    const Relay& streams = joined.streams;
    if (streams.out < 0 && streams.err < 0) co_await joined.ended.wait();
    Outputs to{streams.out, streams.err, streams.is_multiplexed};
    ReadSome read = [&](std::span<std::byte> into) { return streams.remote->read_some(into); };
    co_await pass_on(joined.context, std::move(read), to);
    joined.ended.set();
}

}  // namespace

async::Task<RelayEnd> relay(async::Context& context, Relay streams) {
    Joined joined(context, std::move(streams));
    std::vector<async::Task<void>> tasks;
    tasks.push_back(output(joined));
    tasks.push_back(input(joined));
    size_t first = co_await async::any_of(std::move(tasks));
    if (first == 0) co_return RelayEnd::output;
    if (joined.is_detached) co_return RelayEnd::detached;
    co_return RelayEnd::input;
}

}  // namespace berth::cli
