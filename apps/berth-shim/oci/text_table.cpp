// SPDX-License-Identifier: Apache-2.0
#include "text_table.h"

#include <algorithm>

namespace berth::oci {

namespace {

/// Characters, not bytes: what UTF-8 doesn't count as a continuation.
size_t width(const std::string& cell) {
    return static_cast<size_t>(std::ranges::count_if(cell, [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

std::string TextTable::text() const {
    std::vector<size_t> widths;
    for (const auto& row : rows_) {
        widths.resize(std::max(widths.size(), row.size()), layout_.min_width);
        for (size_t i = 0; i + 1 < row.size(); ++i)
            widths[i] = std::max(widths[i], width(row[i]) + layout_.padding);
    }
    std::string text;
    for (const auto& row : rows_) {
        text += layout_.indent;
        for (size_t i = 0; i < row.size(); ++i) {
            text += row[i];
            if (i + 1 < row.size()) text.append(widths[i] - width(row[i]), ' ');
        }
        text += '\n';
    }
    return text;
}

}  // namespace berth::oci
