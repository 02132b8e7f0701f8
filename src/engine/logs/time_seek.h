// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "engine/logs/record.h"

/// Places in a log's file, found without reading all of it. Only for files that are not compressed. Blocking.
namespace berth::engine {

/// In the stretch [from, to) of the file (shim/log_order.h; `from` is the start of a line): the start of a
/// line before which there is no record of `time_ns` or later. By bisection: a line begins behind each
/// newline, and its time is in it.
uint64_t seek_time(int fd, RecordParser& parser, uint64_t from, uint64_t to, int64_t time_ns);

struct Tail {
    uint64_t offset = 0;  ///< where the last `lines` lines begin
    uint64_t lines = 0;   ///< fewer than asked for: there are no more
};
/// The last `count` whole lines of [0, to). Reads backwards.
Tail seek_tail(int fd, uint64_t to, uint64_t count);

}  // namespace berth::engine
