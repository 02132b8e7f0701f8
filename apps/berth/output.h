// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// What commands print, in Docker's forms.
namespace berth::app {

/// A signal ended the command before its time. Nothing is printed for it.
struct Interrupted {
    int signal;
};

/// Nobody reads our output any more.
struct OutputClosed {};

/// To stdout. Throws OutputClosed, or an Error.
void print_out(std::string_view text);
/// To stderr; failures are ignored.
void print_error(std::string_view text) noexcept;

/// Rows in columns as docker prints them: at least 10 wide, 3 blanks between. A row's last cell is not
/// padded.
class Table {
  public:
    explicit Table(std::vector<std::string> header) { add(std::move(header)); }
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    std::string text() const;

  private:
    std::vector<std::vector<std::string>> rows_;
};

/// go-units' HumanSizeWithPrecision: "4.26MB", 1000 bytes in a kB, `digits` significant ones.
std::string human_size(uint64_t bytes, int digits = 3);
/// go-units' HumanDuration with " ago": "2 weeks ago", "About a minute ago".
std::string human_ago(int64_t time_ns, int64_t now_ns);
/// "2024-03-01 12:00:00 +0000 UTC".
std::string go_time(int64_t time_ns);

}  // namespace berth::app
