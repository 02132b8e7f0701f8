// SPDX-License-Identifier: Apache-2.0
#include "cli/container/top_view.h"

#include <algorithm>
#include <cstdlib>

#include "base/strings.h"
#include "cli/format/listing.h"
#include "cli/format/natural_order.h"
#include "cli/output.h"
#include "client/json_path.h"

namespace berth::cli {

namespace {

/// One cell of a table: newlines, tabs and colours are a process's own as well.
std::string plain_cell(std::string_view text) {
    std::string cell = printable(text);
    std::ranges::replace_if(cell, [](char c) { return c == '\n' || c == '\t' || c == '\033'; }, '?');
    return cell;
}

double use_of(const std::vector<std::string>& titles, const std::vector<std::string>& cells) {
    for (std::string_view title : {"%CPU", "C"}) {
        auto at = static_cast<size_t>(std::ranges::find(titles, title) - titles.begin());
        if (at < titles.size() && at < cells.size()) return std::strtod(cells[at].c_str(), nullptr);
    }
    return 0;
}

}  // namespace

void TopView::add(std::string_view container, const json::Value& processes) {
    std::vector<std::string> titles = client::texts_at(processes, "Titles");
    for (std::string& title : titles) title = plain_cell(title);
    for (const json::Value& process : client::list_at(processes, "Processes")) {
        Process& added = processes_.emplace_back();
        added.container = plain_cell(container);
        for (const std::string& text : client::texts_of(process)) added.cells.push_back(plain_cell(text));
        added.use = use_of(titles, added.cells);
    }
    if (titles_.empty()) titles_ = std::move(titles);
}

std::string TopView::text() const {
    std::vector<const Process*> order;
    for (const Process& process : processes_) order.push_back(&process);
    std::ranges::sort(order, [](const Process* left, const Process* right) {
        if (left->container != right->container) return natural_less(left->container, right->container);
        if (left->use != right->use) return left->use > right->use;
        return left < right;  // as they came
    });
    std::vector<std::string> rows;
    auto add_row = [&](std::string_view name, const std::vector<std::string>& cells) {
        std::string row = join(cells, "\t");
        rows.push_back(has_names_ ? std::string(name) + '\t' + row : row);
    };
    add_row("CONTAINER", titles_);
    for (const Process* process : order) add_row(process->container, process->cells);
    constexpr size_t kWidth = 0, kGap = 2;  // a window is narrow
    return tabulate(rows, kWidth, kGap);
}

}  // namespace berth::cli
