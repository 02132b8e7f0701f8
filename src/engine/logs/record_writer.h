// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "engine/logs/reader.h"
#include "engine/logs/record.h"
#include "shim/log_record.h"

namespace berth::engine {

/// Records as GET /containers/{id}/logs sends them. Docker's frame: the stream (1 or 2), three zeros, the
/// length (4 bytes, big endian), then so many bytes.
class RecordWriter {
  public:
    RecordWriter(const LogLocation& location, const LogReadOptions& options)
        : timestamps_(options.timestamps),
          details_(options.details),
          framed_(options.framed),
          default_attrs_(location.attrs) {}

    void append(LogRecord record, LogBatch& into);

  private:
    char* put_time(char* out, const LogRecord& record);

    bool timestamps_;
    bool details_;
    bool framed_;
    std::string default_attrs_;
    std::string attrs_;         ///< as in the record before,
    std::string details_text_;  ///< and its text
    shim::RecordTime clock_;
};

/// {"b":"x y","a":"1"} as "a=1,b=x+y": sorted, each part as Go's url.QueryEscape has it.
std::string details_of(std::string_view attrs);

}  // namespace berth::engine
