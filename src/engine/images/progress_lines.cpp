// SPDX-License-Identifier: Apache-2.0
#include "engine/images/progress_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace berth::engine {

namespace {

constexpr std::chrono::milliseconds kBetweenNumbers{100};

using Phase = registry::Progress::Phase;

std::string line_of(const json::Object& object) {
    return json::print(object) + "\r\n";
}

/// Docker's: four digits, powers of 1000.
std::string human_size(uint64_t bytes) {
    constexpr std::array<std::string_view, 7> kUnits = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    auto size = static_cast<double>(bytes);
    size_t unit = 0;
    for (; size >= 1000.0 && unit + 1 < kUnits.size(); ++unit) size /= 1000.0;
    return fmt::format("{:.4g}{}", size, kUnits[unit]);
}

bool has_numbers(Phase phase) {
    return phase == Phase::downloading || phase == Phase::extracting || phase == Phase::pushing;
}

}  // namespace

std::string status_line(std::string_view status, std::string_view id) {
    json::Object line;
    line["status"] = status;
    if (!id.empty()) line["id"] = id;
    return line_of(line);
}

std::string progress_line(std::string_view id, std::string_view status, uint64_t current, uint64_t total) {
    json::Object line, detail;
    line["status"] = status;
    if (current > 0) detail["current"] = current;
    if (total > 0) detail["total"] = total;
    line["progressDetail"] = std::move(detail);
    if (std::string bar = progress_bar(current, total); !bar.empty()) line["progress"] = bar;
    if (!id.empty()) line["id"] = id;
    return line_of(line);
}

std::string stream_line(std::string_view text) {
    json::Object line;
    line["stream"] = text;
    return line_of(line);
}

std::string error_line(std::string_view message) {
    json::Object line, detail;
    detail["message"] = message;
    line["errorDetail"] = std::move(detail);
    line["error"] = message;
    return line_of(line);
}

std::string aux_line(json::Object aux) {
    json::Object line;
    line["progressDetail"] = json::Object();
    line["aux"] = std::move(aux);
    return line_of(line);
}

std::string progress_bar(uint64_t current, uint64_t total) {
    constexpr uint64_t kWidth = 50;
    if (current == 0 && total == 0) return {};
    if (total == 0) return fmt::format("{:>8}", human_size(current));
    auto done = static_cast<uint64_t>(static_cast<double>(current) / static_cast<double>(total) * kWidth);
    done = std::min(done, kWidth);
    std::string numbers = current > total ? fmt::format("{:>8}", human_size(current))
                                          : fmt::format("{:>8}/{}", human_size(current), human_size(total));
    return fmt::format("[{:=>{}}>{: >{}}] {}", "", done, "", kWidth - done, numbers);
}

std::optional<PushedTag> parse_pushed(std::string_view text) {
    constexpr std::string_view kDigest = ": digest: ", kSize = " size: ";
    size_t digest = text.find(kDigest);
    size_t size = text.rfind(kSize);
    if (digest == std::string_view::npos || size == std::string_view::npos || size < digest)
        return std::nullopt;
    std::optional<uint64_t> bytes = parse_number<uint64_t>(text.substr(size + kSize.size()));
    if (!bytes) return std::nullopt;
    size_t begin = digest + kDigest.size();
    return PushedTag{.tag = std::string(text.substr(0, digest)),
                     .digest = std::string(text.substr(begin, size - begin)),
                     .size = *bytes};
}

void ProgressLines::show(const registry::Progress& progress) {
    if (progress.phase == Phase::message) {
        lines_(status_line(progress.text, progress.id));
        // The end of a push is told twice: to people and to programs.
        if (std::optional<PushedTag> pushed = parse_pushed(progress.text)) {
            json::Object aux;
            aux["Tag"] = pushed->tag;
            aux["Digest"] = pushed->digest;
            aux["Size"] = pushed->size;
            lines_(aux_line(std::move(aux)));
        }
        return;
    }
    if (has_numbers(progress.phase)) {
        auto now = std::chrono::steady_clock::now();
        auto [found, is_new] = shown_.try_emplace(progress.id);
        Shown& shown = found->second;
        bool is_last = progress.total > 0 && progress.current >= progress.total;
        if (!is_new && shown.phase == progress.phase && !is_last && now - shown.time < kBetweenNumbers)
            return;
        shown = {.phase = progress.phase, .time = now};
        lines_(progress_line(progress.id, registry::status_text(progress), progress.current, progress.total));
        return;
    }
    lines_(progress_line(progress.id, registry::status_text(progress), 0, 0));
}

}  // namespace berth::engine
