// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// The command line in the syntax of Go's pflag package, as the docker CLI has it:
///   --name value, --name=value, -n value, -nvalue, -n=value
///   --bool, --bool=false, -b; one-letter flags cluster: -qf, -aqo file
/// "--" ends the flags; "-" is no flag.
namespace berth::app {

struct Flag {
    enum class Kind { boolean, text, list, number };

    std::string_view name;
    char shorthand = 0;
    Kind kind = Kind::text;
    std::string_view usage;
    std::string_view type = {};  ///< what help shows for the value instead of the kind's word: "filter"
    std::string_view default_text =
        {};               ///< what help shows; also the value of an absent text, number or boolean
    bool hidden = false;  ///< accepted, but not in help
};

/// The flags that were given, over the defaults of their tables. Asking for a flag that is in no table is a
/// programming error.
class Flags {
  public:
    bool is_set(std::string_view name) const;
    bool boolean(std::string_view name) const;
    /// The default if absent. The last one counts.
    std::string text(std::string_view name) const;
    /// Nothing if absent and without a default.
    std::optional<int64_t> number(std::string_view name) const;
    /// In the order given.
    std::vector<std::string> list(std::string_view name) const;

    void add_table(std::span<const Flag> table);
    const Flag* find(std::string_view name) const;
    const Flag* find(char shorthand) const;
    const std::vector<std::span<const Flag>>& tables() const { return tables_; }

  private:
    friend size_t parse_flags(Flags& flags, std::span<const std::string> words, bool interspersed,
                              std::vector<std::string>& args);
    friend class FlagParser;
    const Flag& known(std::string_view name) const;

    std::vector<std::span<const Flag>> tables_;
    std::map<std::string_view, std::vector<std::string>> values_;
};

/// Parses `words` with the tables that `flags` has. With `interspersed` all words are taken, and those that
/// are no flags are appended to `args`; else it ends before the first one of them. Returns the number of
/// words taken. Throws invalid_argument with pflag's words: "unknown flag: --x", "flag needs an argument: 'o'
/// in -o".
size_t parse_flags(Flags& flags, std::span<const std::string> words, bool interspersed,
                   std::vector<std::string>& args);

/// Help's two columns for these tables, sorted by name, without hidden flags; empty where there are none.
std::string flag_help(std::span<const std::span<const Flag>> tables, size_t width);

}  // namespace berth::app
