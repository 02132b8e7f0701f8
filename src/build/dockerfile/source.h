// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

/// Where something stands in a Dockerfile, and errors and warnings that point there.
namespace berth::build {

/// Both ends count: lines from 1, columns from 1 (bytes); column 0: the whole line.
struct Location {
    int line = 0, column = 0;
    int end_line = 0, end_column = 0;
    bool is_known() const { return line > 0; }
};

/// A Dockerfile's text and name, shared by its syntax tree, its errors and its warnings.
class SourceFile {
  public:
    /// Cuts a UTF-8 mark off; CRLF counts as LF. invalid_argument above kMaxSource, for a NUL (`file with no
    /// instructions` is the parser's).
    SourceFile(std::string name, std::string text);
    static constexpr size_t kMaxSource = 4 << 20, kMaxLines = 200'000;

    const std::string& name() const { return name_; }
    const std::string& text() const { return text_; }
    size_t line_count() const { return starts_.size(); }
    std::string_view line(size_t number) const;  ///< without its end; "" where there is none

    /// As BuildKit shows it, two lines around, ">>>" before those meant, carets below a column where it is
    /// known:
    ///
    ///   Dockerfile:3
    ///   --------------------
    ///      1 |     FROM alpine
    ///      3 | >>> RUNN x
    ///   --------------------
    std::string excerpt(const Location& where) const;

  private:
    std::string name_, text_;
    std::vector<size_t> starts_;
};
using SourcePointer = std::shared_ptr<const SourceFile>;

/// invalid_argument "dockerfile parse error on line 3: unknown instruction: RUNN (did you mean RUN?)": what
/// Docker's clients and scripts know; the file, column and excerpt come beside it, for whoever can show them.
/// Also thrown for what a step failed with ("process \"/bin/sh -c x\" did not complete successfully: exit
/// code: 1"), then without "dockerfile parse error".
class LocatedError : public Error {
  public:
    LocatedError(ErrorKind kind, std::string message, SourcePointer source, Location where);
    const SourcePointer& source() const { return source_; }
    const Location& where() const { return where_; }

  private:
    SourcePointer source_;
    Location where_;
};
LocatedError parse_error(const SourcePointer& source, Location where, std::string_view message);

/// One of `docker build --check`'s. `rule` is its name ("FromAsCasing"), or "" for a plain warning.
struct Warning {
    std::string rule;
    std::string message;      ///< "'as' and 'FROM' keywords' casing do not match"
    std::string description;  ///< of the rule
    std::string url;
    Location where;
    bool is_error = false;  ///< `# check=error=true`
};

}  // namespace berth::build
