// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// Patterns of .dockerignore, and of COPY --exclude. Docker's rules (moby/patternmatcher):
///
///   - a line is cleaned as a path ("./a//b/" is "a/b", a leading "/" is dropped); blank ones and those that
///     begin with "#" in the first column are skipped; a UTF-8 mark at the file's start too
///   - "*", "?", "[a-z]", "\x" as of path.Match within one name; "**" is any number of folders
///   - "!" takes back; the last pattern that matches counts. A pattern that matches a folder holds for all
///     below it, so that a file in an ignored folder can be taken back by a later "!"
namespace berth::context {

class Patterns {
  public:
    Patterns();
    /// Throws invalid_argument: `syntax error in pattern`, with the pattern and its line (counted from 1).
    explicit Patterns(const std::vector<std::string>& patterns);
    Patterns(Patterns&&) noexcept;
    Patterns& operator=(Patterns&&) noexcept;
    ~Patterns();
    /// Of a file's text.
    static Patterns parse(std::string_view text);

    bool empty() const;
    /// What the folder above was found to be, for the walk: matching a tree costs one look at each pattern
    /// for each name. A default one is that of the root.
    struct Parent {
        std::vector<bool> matched;  ///< by pattern
    };
    /// Whether `path` ("a/b", relative, clean) is matched. `here` is what its children have as Parent.
    bool matches(std::string_view path, const Parent& parent, Parent* here = nullptr) const;
    /// The same without a walk.
    bool matches(std::string_view path) const;
    /// Whether something below the matched folder `path` may be taken back by a "!", so that the walk has to
    /// go in.
    bool may_take_back_below(std::string_view path) const;
    /// The patterns, cleaned, in order: for the log and for tests.
    const std::vector<std::string>& list() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// path.Match of one pattern with "**" as above, for COPY's sources: "src/*.c", "**/go.mod". Symlinks are not
/// looked at.
bool matches_path(std::string_view pattern, std::string_view path);
/// Whether there is anything but literal names in it.
bool has_wildcards(std::string_view pattern);

}  // namespace berth::context
