// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal/live_screen.h"

#include <unistd.h>

#include "base/strings.h"
#include "cli/output.h"

namespace berth::cli {

namespace {

constexpr std::string_view kHome = "\033[H", kClearLine = "\033[K", kClearBelow = "\033[J";
// The cursor (DECTCEM) and going on below at the side (DECAWM).
constexpr std::string_view kTake = "\033[?25l\033[?7l", kGiveBack = "\033[?7h\033[?25h";

/// The first `width` characters.
std::string_view clipped(std::string_view line, size_t width) {
    size_t at = 0;
    for (size_t count = 0; at < line.size(); ++at) {
        bool is_start = (static_cast<unsigned char>(line[at]) & 0xC0U) != 0x80U;
        if (is_start && count++ == width) break;
    }
    return line.substr(0, at);
}

}  // namespace

std::string screen_frame(std::string_view text, WindowSize size) {
    std::vector<std::string_view> lines = split(text, '\n');
    if (!lines.empty() && lines.back().empty()) lines.pop_back();
    std::string more;
    if (size.rows > 2 && lines.size() + 1 > size.rows) {
        size_t shown = size.rows - 2U;
        more = "… and " + std::to_string(lines.size() - shown) + " more";
        lines.resize(shown);
        lines.push_back(more);
    }
    std::string frame(kHome);
    for (std::string_view line : lines) {
        std::string_view shown = size.columns == 0 ? line : clipped(line, size.columns);
        // Behind a full line the cursor stands on its last cell, which would be cleared.
        frame.append(shown).append(shown.size() < line.size() ? "" : kClearLine) += "\r\n";
    }
    return frame.append(kClearBelow);
}

LiveScreen::~LiveScreen() {
    set_back();
}

void LiveScreen::draw(std::string_view text) {
    print_raw(std::string(kTake) + screen_frame(text, window_size(STDOUT_FILENO)));
}

void LiveScreen::set_back() const noexcept {
    [[maybe_unused]] ssize_t written = ::write(STDOUT_FILENO, kGiveBack.data(), kGiveBack.size());
}

}  // namespace berth::cli
