// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace berth::cli {

/// Processes of containers as people look at them: those that use the processor most come first, where ps
/// tells (%CPU, or C). With several containers, their names are the first column and the order of names comes
/// before that of use.
class TopView {
  public:
    explicit TopView(bool has_names) : has_names_(has_names) {}
    /// `processes`: the daemon's answer. Its titles are those of the first that has any.
    void add(std::string_view container, const json::Value& processes);
    /// A table. It holds no control characters but newlines, whatever a process calls itself.
    std::string text() const;

  private:
    struct Process {
        std::string container;
        double use = 0;
        std::vector<std::string> cells;
    };

    const bool has_names_;
    std::vector<std::string> titles_;
    std::vector<Process> processes_;
};

}  // namespace berth::cli
