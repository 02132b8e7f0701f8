// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "async/context.h"
#include "engine/containers/container.h"
#include "engine/logs/reader.h"

namespace berth::engine {

/// Takes the next bytes of a log; they are valid until it ends.
using LogSink = std::function<async::Task<void>(std::string_view bytes)>;
/// Gives all of a log to a sink. To be called once, on the stream context: files are read on its pool, the
/// next piece while the sink has the last one.
using LogWriter = std::function<async::Task<void>(LogSink sink)>;

/// Makes writers of containers' logs. On the control context.
class LogWriters {
  public:
    LogWriters(async::Context& control, async::Context& streams);
    ~LogWriters();

    /// With `follow`, where the container runs: until it has ended. Throws not_implemented "configured
    /// logging driver does not support reading".
    LogWriter make(Container& container, LogReadOptions options, bool follow);

  private:
    struct Shared;
    async::Context& control_;
    std::shared_ptr<Shared> shared_;
};

}  // namespace berth::engine
