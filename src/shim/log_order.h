// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

/// What a reader may rely on when it seeks by time instead of reading on (docs/logs.md, "Finding a time").
///
/// Within a stretch of a file no record is older than one before it by more than kLogOrderSlackNs. A file is
/// one stretch, unless the clock was set back: each record that begins a new stretch has its offset in the
/// file's extended attribute kLogStepsAttribute, an array of uint64_t of the host's byte order, ascending.
/// The attribute stays with the file through rotation. Where it can't be written the new records get the time
/// of the last one instead.
namespace berth::shim {

inline constexpr int64_t kLogOrderSlackNs = 1'000'000'000;
inline constexpr const char* kLogStepsAttribute = "user.berth.log-steps";
inline constexpr size_t kMaxLogSteps = 64;

}  // namespace berth::shim
