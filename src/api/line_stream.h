// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "api/router.h"

/// Answers that are a stream of lines while an operation works: pull, push, load, import.
namespace berth::api {

/// Runs on the stream context; hands each line to the function that it is given, there.
using LineOperation = std::function<async::Task<void>(std::function<void(std::string)> lines)>;

struct LineStreamOptions {
    /// The operation reads the request's body; who goes away meanwhile is noticed by that.
    bool reads_body = false;
    /// A failure is told in the stream even where it is the first thing to tell.
    bool always_ok = false;
};

/// Moves the connection to the stream context, runs `operation` there and sends what it tells. A failure
/// before the first line is thrown, so that the request gets its status; one after it is the stream's last
/// line. The operation is cancelled when the client goes away.
async::Task<void> stream_lines(Call& call, LineOperation operation, LineStreamOptions options);

}  // namespace berth::api
