// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// The command line in the syntax of Go's flag package, as runc has it through urfave/cli v1:
///   -name, --name           both spellings mean the same, also for one-letter aliases
///   --name=value, --name value
///   --bool, --bool=false    a bool takes its value only after '='
/// Parsing ends at the first word that is no flag ("-" is none), or after "--". One-letter flags do not
/// cluster.
namespace berth::oci {

struct Flag {
    enum class Kind { boolean, text, number, duration, texts, numbers };

    std::string_view name;
    std::string_view alias;  ///< one letter, or empty
    Kind kind = Kind::text;
    std::string_view usage;
    std::string_view default_text = {};  ///< what help shows; the value of an absent flag is that of its kind
    bool hidden = false;                 ///< accepted, but not in help
};

/// The flags that were given, by their full names. Asking for a flag that is not in the table is a
/// programming error.
class Flags {
  public:
    bool is_set(std::string_view name) const;
    bool boolean(std::string_view name) const;
    /// Empty if absent. The last one counts.
    std::string text(std::string_view name) const;
    /// Nothing if absent.
    std::optional<int64_t> number(std::string_view name) const;
    std::optional<std::chrono::nanoseconds> duration(std::string_view name) const;
    /// In the order given.
    std::vector<std::string> texts(std::string_view name) const;
    std::vector<int64_t> numbers(std::string_view name) const;

  private:
    friend Flags parse_flags(std::span<const Flag> table, std::span<const std::string> words, size_t& used);

    std::map<std::string_view, std::vector<std::string>> values_;
};

/// Takes the flags from the front of `words`; `used` becomes the number of words taken. Values are checked
/// here. Throws invalid_argument with the words of Go's flag package: "flag provided but not defined: -x".
Flags parse_flags(std::span<const Flag> table, std::span<const std::string> words, size_t& used);

/// Go's time.ParseDuration, for values that fit: "5s", "1m30s", "1.5h", "100ms", "0".
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);
/// Go's strconv.ParseBool: 1, t, T, true, True, TRUE and their opposites.
std::optional<bool> parse_bool(std::string_view text);

}  // namespace berth::oci
