// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// Variables in Dockerfiles (BuildKit's shell.Lex): $x, ${x}, and ${x…} with :- :+ - + :? ? # ## % %% / and
/// //, nested; quotes as in a shell; the file's escape character.
namespace berth::build {

/// Nothing: not set.
using Lookup = std::function<std::optional<std::string>(std::string_view name)>;

struct Expanded {
    std::string text;
    std::vector<std::string> words;  ///< with split: as a shell would cut them
    std::set<std::string> used;      ///< variables that were found
    std::set<std::string> missing;   ///< that were not set, nor given a default: UndefinedVar
};

struct ExpandOptions {
    char escape = '\\';
    bool keep_quotes = false;  ///< rawQuotes: heredocs, and what a shell will read again
    bool keep_escapes = false;
    bool split = false;
};
/// invalid_argument, in BuildKit's words: "syntax error: missing '}'", "unsupported modifier (x) in
/// substitution", "x: parameter is not set" (":?"). Depth of nesting 100, result at most 1 MiB.
Expanded expand(std::string_view text, const Lookup& lookup, const ExpandOptions& options);

}  // namespace berth::build
