// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "cli/terminal/window_size.h"

namespace berth::cli {

/// `text` as it is drawn over the frame before: from the top, line by line, each cut at the window's width;
/// lines that have no room are counted in the last one. Nothing scrolls, nothing flickers. The text has no
/// control characters but newlines and colours. Lines end as a raw terminal wants them.
std::string screen_frame(std::string_view text, WindowSize size);

/// The terminal at stdout while it shows a view that is drawn again and again: without a cursor, and a line
/// that turns out too wide (characters of two cells) ends at the window's side instead of going on below.
/// Both are back as ever when this ends; the last frame stays.
class LiveScreen {
  public:
    LiveScreen() = default;
    LiveScreen(const LiveScreen&) = delete;
    LiveScreen& operator=(const LiveScreen&) = delete;
    ~LiveScreen();

    void draw(std::string_view text);
    /// For the time that the program is stopped; the next draw() takes it again.
    void set_back() const noexcept;
};

}  // namespace berth::cli
