// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "registry/client/progress.h"

/// The lines of Docker's streams (pull, push, load, import): one JSON object each, ended by CR LF.
namespace berth::engine {

/// {"status":"Pulling from library/busybox","id":"latest"}
std::string status_line(std::string_view status, std::string_view id = {});
/// {"status":"Downloading","progressDetail":{"current":…,"total":…},"progress":"[==> ] …","id":"…"}; without
/// numbers progressDetail is {}.
std::string progress_line(std::string_view id, std::string_view status, uint64_t current, uint64_t total);
/// {"stream":"Loaded image: busybox:latest\n"}
std::string stream_line(std::string_view text);
/// {"errorDetail":{"message":"…"},"error":"…"}
std::string error_line(std::string_view message);
/// {"progressDetail":{},"aux":{…}}
std::string aux_line(json::Object aux);

/// "[=====>      ]  1.049kB/2.097kB"; "" without numbers.
std::string progress_bar(uint64_t current, uint64_t total);

/// The last line of a tag's push, "latest: digest: sha256:… size: 527". Nothing for other lines.
struct PushedTag {
    std::string tag, digest;
    uint64_t size = 0;
};
std::optional<PushedTag> parse_pushed(std::string_view text);

/// What a transfer tells, as lines. Numbers of one layer come at most every 100 ms, the last one always.
class ProgressLines {
  public:
    explicit ProgressLines(std::function<void(std::string)> lines) : lines_(std::move(lines)) {}
    void show(const registry::Progress& progress);

  private:
    struct Shown {
        registry::Progress::Phase phase{};
        std::chrono::steady_clock::time_point time;
    };
    std::function<void(std::string)> lines_;
    std::map<std::string, Shown> shown_;
};

}  // namespace berth::engine
