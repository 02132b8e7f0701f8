// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/flags.h"

/// berth's commands form a tree: a node is a group (`berth image`) or a command (`berth image pull`). Each
/// command has its own file, which defines its Command and nothing else that is public. They parse, call the
/// engine, and print. Names, words, flags and their order are those of Docker 28's CLI.
namespace berth::cli {

struct Command;
class Session;

/// One call of a command: its flags and words are checked against the command's table.
struct Invocation {
    const Command& command;
    std::string path;  ///< "berth image pull"
    Flags flags;       ///< those of the command and of the groups above it, but the global ones
    std::vector<std::string> args;
    Session& session;
    const Command* root = nullptr;  ///< the whole tree
};

struct Command {
    std::string_view name;
    std::string_view summary;
    std::string_view arguments = {};  ///< as help shows them: "[OPTIONS] NAME[:TAG|@DIGEST]"
    std::string_view description =
        {};  ///< instead of the summary, in the command's own help; may have several lines
    std::span<const Flag> flags = {};  ///< of a group: its commands take them too
    size_t min_args = 0;
    size_t max_args = 0;
    /// The exit status. What it throws is printed to stderr; the status is then ExitStatus's own, else 1.
    int (*run)(Invocation& invocation) = nullptr;
    /// Of a group, which has no `run`; or of a command that has commands below it (`berth daemon stop`),
    /// whose flags are its own alone.
    std::span<const Command* const> children = {};
    /// As Docker's help lists them, whole, without the program's name: {"image ls", "image list", "images"}.
    /// The first that is one word longer than the group is the command's name there, the others of that form
    /// are other names for it there; so one Command serves `berth image ls` and `berth images`. Without any,
    /// `name` is the name everywhere.
    std::span<const std::string_view> aliases = {};
    /// The first word that is no flag ends the flags: `berth run IMAGE -x` gives -x to the container.
    bool ends_flags_at_word = false;
    bool hidden = false;
    /// The heading under which `berth --help` lists it, where that does not follow from what it is ("Swarm
    /// Commands").
    std::string_view section = {};
    Words words = Words::none;  ///< what its words can be
    /// No word is a flag: all of them come in `args`, --help too.
    bool takes_all_words = false;
    std::string_view examples = {};  ///< help's "Examples", whole lines
    bool experimental = false;       ///< help says so
    /// Where stdin and stdout are a person's terminal the words may be left out, although `min_args` are
    /// asked for elsewhere, as docker does.
    bool optional_on_terminal = false;
    std::string_view for_people = {};  ///< what help adds to docker's on a terminal, whole lines
};

inline constexpr size_t kAnyNumber = static_cast<size_t>(-1);

/// Where the tree is and how the program was called: what messages need.
struct Place {
    std::string_view program;  ///< "berth"
    const Command* command;
    std::string words;  ///< "container ls"; "" is the root
    std::string path() const;
};

/// The name of `command` in the group whose path without the program's name is `group` ("" at the top).
std::string_view name_in(const Command& command, std::string_view group);
/// The command that `word` names in `group` whose path is `path`, or null.
const Command* find_child(const Command& group, std::string_view path, std::string_view word);

/// What `--help` prints. `flags`: tables of the command. `width`: columns of the screen.
std::string help_text(const Place& place, std::span<const std::span<const Flag>> flags, size_t width);
/// "Usage:  docker tag SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]\n", as it stands below errors.
std::string usage_line(const Place& place);

/// The program: `root` is the whole tree, `words` the arguments, `name` what the program was called as
/// ("berth", or "docker" where a link has that name): all its messages use it. Returns the exit status and
/// throws nothing.
int run_program(const Command& root, std::string_view name, const std::vector<std::string>& words);

}  // namespace berth::cli
