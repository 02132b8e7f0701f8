// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/describe/class.hpp>

#include <cstdint>
#include <optional>
#include <string>

#include "base/json.h"
#include "sys/process.h"

/// exit.json in the container's directory: how the container ended. It is there from the moment that it has
/// ended, whole or not at all, and never changes.
namespace berth::shim {

struct ExitRecord {
    int32_t version = 1;
    std::string id;
    int32_t pid = 0;
    int32_t code = 0;    ///< exit code, or 128 + signal; 255 where nobody knows
    int32_t signal = 0;  ///< 0 unless a signal ended it
    std::string time;    ///< RFC 3339
    int64_t time_ns = 0;
    bool oom = false;  ///< something in it was killed for lack of memory
    uint64_t oom_kills = 0;
    bool started = false;  ///< the program was executed
    uint64_t log_dropped = 0;
    std::string error;  ///< why the program could not be executed, or why nothing is known
};
BOOST_DESCRIBE_STRUCT(ExitRecord, (),
                      (version, id, pid, code, signal, time, time_ns, oom, oom_kills, started, log_dropped,
                       error))

inline constexpr const char* kExitFile = "exit.json";

json::Object encode_exit(const ExitRecord& record);

/// Appears under its name at once; not yet synced.
void write_exit(int directory, const ExitRecord& record);
/// Returns when it would survive a power cut.
void sync_exit(int directory);
/// Nothing where there is none, or where it isn't whole (after a power cut).
std::optional<ExitRecord> read_exit(int directory);

}  // namespace berth::shim
