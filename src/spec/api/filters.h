// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "base/json.h"

namespace berth::spec::api {

/// The parameter `filters` of lists, prunes and events: names, each with a set of values.
///
/// What the matching functions have in common: a name that is not there lets everything pass; one of several
/// values is enough (but for labels, which all have to match). Not for use by two threads at once.
class Filters {
  public:
    Filters() = default;
    /// `{"status":{"running":true}}`, or `{"status":["running"]}` as before 1.22; "" is no filter. Throws
    /// invalid_argument "invalid filter".
    static Filters parse(std::string_view text);

    bool empty() const { return fields_.empty(); }
    bool contains(std::string_view name) const { return fields_.find(name) != fields_.end(); }
    /// Whether `value` is one of the values of `name`.
    bool has(std::string_view name, std::string_view value) const;
    /// The values of `name`; none where it is not there.
    const std::set<std::string, std::less<>>& get(std::string_view name) const;
    void add(std::string_view name, std::string value);
    void remove(std::string_view name);

    /// Throws invalid_argument "invalid filter 'x'" for the first name that is not accepted.
    void validate(std::initializer_list<std::string_view> accepted) const;

    /// A value equals `source`.
    bool exact(std::string_view name, std::string_view source) const;
    /// As exact, but two values match nothing (what has only one state can't be in two).
    bool unique_exact(std::string_view name, std::string_view source) const;
    /// A value is what `source` begins with.
    bool prefix(std::string_view name, std::string_view source) const;
    /// A value, read as a regular expression, is found in `source`. POSIX extended with \d and (?:…); what is
    /// malformed matches nothing.
    bool pattern(std::string_view name, std::string_view source) const;
    /// Each value ("key" or "key=value") is met by `labels`.
    bool labels(std::string_view name, const std::map<std::string, std::string>& labels) const;
    /// As labels, but turned round: none of the values of "label!" is met. True where there are none.
    bool no_labels(std::string_view name, const std::map<std::string, std::string>& labels) const;
    /// "1", "true", "0" or "false"; `otherwise` where the name is not there. Throws invalid_argument "invalid
    /// filter 'dangling=[x]'", also for two values.
    bool flag(std::string_view name, bool otherwise) const;

    [[noreturn]] void fail(std::string_view name) const;

    auto begin() const { return fields_.begin(); }
    auto end() const { return fields_.end(); }

  private:
    struct Expressions;
    std::map<std::string, std::set<std::string, std::less<>>, std::less<>> fields_;
    mutable std::shared_ptr<Expressions> expressions_;  ///< compiled when first used
};

}  // namespace berth::spec::api
