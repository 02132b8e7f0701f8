// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cli/build/build_flags.h"
#include "spec/api/build.h"

/// SolveStatus as people see it, on stderr. All three in BuildKit's form (progressui):
///
///   tty      [+] Building 1.3s (13/13) FINISHED                                docker:default
///             => [internal] load build definition from Dockerfile                       0.0s
///             => => transferring dockerfile: 32B                                        0.0s
///             => CACHED [2/8] RUN apt-get update                                        0.0s
///            drawn anew ten times a second, as tall as the terminal; the last lines (6) of a running step's
///            output below it; colours unless NO_COLOR
///   plain    #5 [2/8] RUN apt-get update / #5 0.312 Hit:1 … / #5 DONE 0.5s / #5 CACHED / #5 ERROR: …
///   rawjson  the lines as they came
///
/// Control characters of output are made harmless but for colours on a terminal and CR.
namespace berth::cli {

class ProgressView {
  public:
    virtual ~ProgressView() = default;
    virtual void take(const spec::api::SolveStatus& status, std::string_view line) = 0;
    /// Draws once more: the terminal was resized, or a tenth of a second has passed.
    virtual void tick(std::chrono::steady_clock::time_point now) = 0;
    /// The end: all that is still held back; of a failed build the failing step's last lines ("------\n >
    /// [2/3] RUN x:\n0.123 …\n------"), warnings' summary ("1 warning found (use docker --debug to
    /// expand):").
    virtual void finish(bool failed) = 0;
};

struct ProgressViewOptions {
    ProgressMode mode = ProgressMode::automatic;
    std::function<std::pair<unsigned, unsigned>()> size;  ///< columns, rows; empty: no terminal
    bool colours = false, debug = false;
    std::string builder = "default";  ///< after the first line
    std::function<void(std::string_view)> write;
    std::function<std::chrono::steady_clock::time_point()> now;  ///< tests set it
};
std::unique_ptr<ProgressView> make_progress_view(ProgressViewOptions options);

}  // namespace berth::cli
