// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace berth::oci {

/// Rows in aligned columns, as Go's text/tabwriter sets them. A row's last cell is not padded.
class TextTable {
  public:
    struct Layout {
        size_t min_width = 0;  ///< of a column, padding included
        size_t padding = 2;
        std::string indent = {};
    };
    explicit TextTable(Layout layout) : layout_(std::move(layout)) {}

    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    std::string text() const;

  private:
    Layout layout_;
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace berth::oci
