// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal/pass_on.h"

#include <vector>

#include "cli/terminal/demultiplexer.h"
#include "cli/terminal/local_file.h"

namespace berth::cli {

namespace {

constexpr size_t kPiece = 64 * 1024;

}  // namespace

async::Task<void> pass_on(async::Context& context, ReadSome read, Outputs to) {
    LocalFile out(context, to.out), err(context, to.err);
    std::vector<std::byte> buffer(kPiece);
    Demultiplexer frames;
    while (size_t count = co_await read(buffer)) {
        std::string_view data(reinterpret_cast<const char*>(buffer.data()), count);
        if (!to.is_multiplexed) {
            LocalFile& into = to.out >= 0 ? out : err;
            co_await into.write(data);
            continue;
        }
        while (auto piece = frames.take(data)) {
            LocalFile& into = piece->stream == 2 ? err : out;
            if ((piece->stream == 2 ? to.err : to.out) >= 0) co_await into.write(piece->data);
        }
    }
}

async::Task<void> pass_on(async::Context& context, client::Response& response, Outputs to) {
    ReadSome read = [&](std::span<std::byte> into) { return response.read_some(into); };
    return pass_on(context, std::move(read), to);
}

}  // namespace berth::cli
