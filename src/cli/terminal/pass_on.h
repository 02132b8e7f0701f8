// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <functional>
#include <span>

#include "async/context.h"
#include "client/engine.h"

namespace berth::cli {

/// Into which descriptors of ours a container's streams go; -1: nowhere.
struct Outputs {
    int out = -1, err = -1;
    bool is_multiplexed = false;  ///< they come as frames; else all of it is for the first that there is
};

/// At least one byte; 0 at the end.
using ReadSome = std::function<async::Task<size_t>(std::span<std::byte> into)>;

/// What `read` gives, to its end. A reader that is slow or stuck does not hold up the loop, so that signals
/// are heeded. Throws OutputClosed where nobody reads.
async::Task<void> pass_on(async::Context& context, ReadSome read, Outputs to);
/// The rest of a response's body; to our stdout, byte for byte, unless told otherwise.
async::Task<void> pass_on(async::Context& context, client::Response& response,
                          Outputs to = {.out = STDOUT_FILENO});

}  // namespace berth::cli
