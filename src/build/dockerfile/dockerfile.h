// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "build/dockerfile/source.h"

/// A Dockerfile as BuildKit's 1.x frontend reads it, before any variable is expanded: directives, global
/// ARGs, stages, instructions with their flags checked and typed. Texts that are expanded later (plan/) are
/// kept as they stand: quotes and escapes are the expansion's.
namespace berth::build {

struct Heredoc {
    std::string name;  ///< "EOF"
    std::string content;
    bool expand = true;       ///< false where the name was quoted
    bool strip_tabs = false;  ///< <<-
    int descriptor = 0;       ///< "3<<EOF"; 0 where none stood there
    Location where;
};

struct Directives {
    std::string syntax;  ///< "docker/dockerfile:1.7": told about, never pulled
    char escape = '\\';
    std::vector<std::string> skipped_checks;  ///< `# check=skip=A,B`; "all"
    bool check_is_error = false;
};

/// "--chown=$U": checked to be one that the instruction has, once each but for `repeatable` ones.
struct InstructionFlag {
    std::string name, value;
    bool has_value = false;
    Location where;
};

/// Shell form (one text, as it stands after the instruction, continuation lines joined) or exec form (a JSON
/// list). What begins with "[" and is no JSON list of strings is shell form, as with Docker.
struct Command {
    bool is_exec = false;
    std::vector<std::string> words;  ///< exec: the words; shell: one
    std::vector<Heredoc> heredocs;   ///< RUN <<EOF
};

struct KeyValue {
    std::string key, value;
    bool has_value = true;  ///< ARG x
    Location where;
};

struct FromInstruction {
    std::string image;     ///< unexpanded
    std::string platform;  ///< unexpanded
    std::string name;      ///< AS, lower case; ""
    std::string as_word;   ///< "AS", "as", as it stood
};
struct ArgInstruction {
    std::vector<KeyValue> arguments;
};
struct EnvInstruction {
    std::vector<KeyValue> variables;
    bool is_legacy = false;  ///< ENV a b
};
struct LabelInstruction {
    std::vector<KeyValue> labels;
    bool is_legacy = false;
};
/// COPY and ADD.
struct CopyInstruction {
    bool is_add = false;
    std::vector<std::string> sources;
    std::string destination;
    std::vector<Heredoc> contents;  ///< <<EOF among the sources
    std::string from, chown, chmod, checksum;
    std::vector<std::string> exclude;
    bool link = false, parents = false, keep_git_dir = false;
    std::optional<bool> unpack;  ///< ADD --unpack
};
struct RunMount {
    enum class Type { bind, cache, tmpfs, secret, ssh } type = Type::bind;
    std::string from, source, target, id, env;
    std::optional<bool> read_only, required;
    enum class Sharing { shared, private_copy, locked } sharing = Sharing::shared;
    std::string mode, uid, gid;  ///< unexpanded numbers
    std::string size;
    Location where;
};
struct RunInstruction {
    Command command;
    std::vector<RunMount> mounts;
    std::string network;   ///< "", "default", "none", "host"
    std::string security;  ///< "", "sandbox", "insecure"
};
struct HealthcheckInstruction {
    bool is_none = false;
    Command command;
    std::optional<std::chrono::nanoseconds> interval, timeout, start_period, start_interval;
    std::optional<int> retries;
};
struct CommandInstruction {  ///< CMD, ENTRYPOINT, SHELL
    Command command;
};
struct TextInstruction {  ///< USER, WORKDIR, STOPSIGNAL, MAINTAINER; ONBUILD (the instruction's text)
    std::string text;
};
struct ListInstruction {  ///< EXPOSE, VOLUME
    std::vector<std::string> words;
};

enum class InstructionKind {
    add,
    arg,
    cmd,
    copy,
    entrypoint,
    env,
    expose,
    from,
    healthcheck,
    label,
    maintainer,
    onbuild,
    run,
    shell,
    stopsignal,
    user,
    volume,
    workdir,
};

struct Instruction {
    InstructionKind kind{};
    std::string word;      ///< as it stood: "Run"
    std::string original;  ///< what a person wrote, continuation lines joined: for progress and history
    std::vector<InstructionFlag> flags;
    std::variant<FromInstruction, ArgInstruction, EnvInstruction, LabelInstruction, CopyInstruction,
                 RunInstruction, HealthcheckInstruction, CommandInstruction, TextInstruction, ListInstruction>
        body;
    Location where;
    std::vector<std::string> comments;  ///< directly above it: descriptions of stages and ARGs
};

struct Stage {
    Instruction from;
    std::string name;  ///< lower case, or ""
    std::vector<Instruction> instructions;
};

struct Dockerfile {
    SourcePointer source;
    Directives directives;
    std::vector<Instruction> global_args;
    std::vector<Stage> stages;
    std::vector<Warning> warnings;  ///< of the reading itself; the rest is lint()'s
};

/// Throws LocatedError with BuildKit's words ("file with no instructions", "no build stage in current
/// context", "unknown instruction: X", "unterminated heredoc", "unknown flag: --x", "X requires exactly one
/// argument" …). Never crashes, never takes more than linear time and memory, whatever the text (fuzzed).
Dockerfile parse(const SourcePointer& source);
/// The instruction of an image's ONBUILD. Throws invalid_argument for FROM, ONBUILD and MAINTAINER.
Instruction parse_onbuild(const std::string& text, char escape);

/// "docker/dockerfile:1.7", "docker/dockerfile-upstream:master-labs": whether it asks for more than is built
/// in (a newer minor than kLanguage, labs channel's own instructions); the warning's text then. Foreign
/// frontends are told too.
std::optional<std::string> syntax_warning(const std::string& syntax);
inline constexpr std::pair<int, int> kLanguage{1, 14};

/// Rules that need no base image: StageNameCasing, FromAsCasing, NoEmptyContinuation,
/// ConsistentInstructionCasing, DuplicateStageName, ReservedStageName, JSONArgsRecommended,
/// MaintainerDeprecated, WorkdirRelativePath, MultipleInstructionsDisallowed, LegacyKeyValueFormat,
/// SecretsUsedInArgOrEnv, InvalidDefinitionDescription, ExposeProtoCasing, ExposeInvalidFormat,
/// FromPlatformFlagConstDisallowed, RedundantTargetPlatform, CopyIgnoredFile's candidates. What depends on
/// values (UndefinedVar, UndefinedArgInFrom, InvalidDefaultArgInFrom, InvalidBaseImagePlatform,
/// CopyIgnoredFile) is warned of by plan/. In the order of the file; `directives` decide what is skipped.
std::vector<Warning> lint(const Dockerfile& dockerfile);
/// Whether `rule` is to be told, and as an error.
bool is_checked(const Directives& directives, std::string_view rule);
/// `docker build --check`'s words: "WARNING: RULE - https://…\ndescription\nDockerfile:1\n-----\n…".
std::string check_text(const SourceFile& source, const Warning& warning);

}  // namespace berth::build
