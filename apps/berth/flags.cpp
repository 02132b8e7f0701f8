// SPDX-License-Identifier: Apache-2.0
#include "flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "base/error.h"
#include "base/strings.h"

namespace berth::app {

namespace {

/// Go's strconv.ParseBool.
std::optional<bool> parse_bool(std::string_view text) {
    constexpr std::array<std::string_view, 6> kTrue = {"1", "t", "T", "true", "TRUE", "True"};
    constexpr std::array<std::string_view, 6> kFalse = {"0", "f", "F", "false", "FALSE", "False"};
    if (std::ranges::find(kTrue, text) != kTrue.end()) return true;
    if (std::ranges::find(kFalse, text) != kFalse.end()) return false;
    return std::nullopt;
}

std::string shown(const Flag& flag) {
    return flag.shorthand ? fmt::format("-{}, --{}", flag.shorthand, flag.name)
                          : fmt::format("--{}", flag.name);
}

std::string_view value_word(const Flag& flag) {
    if (!flag.type.empty()) return flag.type;
    switch (flag.kind) {
        case Flag::Kind::boolean: return "";
        case Flag::Kind::text: return "string";
        case Flag::Kind::list: return "list";
        case Flag::Kind::number: return "int";
    }
    return "";
}

void check_value(const Flag& flag, const std::string& value) {
    std::string_view function;
    if (flag.kind == Flag::Kind::boolean && !parse_bool(value))
        function = "ParseBool";
    else if (flag.kind == Flag::Kind::number && !parse_number<int64_t>(value))
        function = "ParseInt";
    else
        return;
    throw make_error(ErrorKind::invalid_argument,
                     "invalid argument {} for \"{}\" flag: strconv.{}: parsing {}: invalid syntax",
                     quote(value), shown(flag), function, quote(value));
}

/// Lines of at most `width` characters; a word that is longer has its own.
std::vector<std::string> wrap(std::string_view text, size_t width) {
    std::vector<std::string> lines;
    for (std::string_view paragraph : split(text, '\n')) {
        std::string line;
        for (std::string_view word : split_fields(paragraph)) {
            if (!line.empty() && line.size() + 1 + word.size() > width) {
                lines.push_back(std::move(line));
                line.clear();
            }
            if (!line.empty()) line += ' ';
            line += word;
        }
        lines.push_back(std::move(line));
    }
    return lines;
}

}  // namespace

/// The state of one parse.
class FlagParser {
  public:
    FlagParser(Flags& flags, std::span<const std::string> words) : flags_(flags), words_(words) {}

    size_t run(bool interspersed, std::vector<std::string>& args) {
        while (at_ < words_.size()) {
            const std::string& word = words_[at_];
            if (word.size() < 2 || word[0] != '-') {
                if (!interspersed) break;
                args.push_back(word);
                ++at_;
            } else if (word == "--") {
                ++at_;
                if (interspersed)
                    for (; at_ < words_.size(); ++at_) args.push_back(words_[at_]);
                break;
            } else {
                ++at_;
                word[1] == '-' ? take_long(word) : take_cluster(word);
            }
        }
        return at_;
    }

  private:
    void set(const Flag& flag, std::string value) {
        check_value(flag, value);
        flags_.values_[flag.name].push_back(std::move(value));
    }

    void take_long(const std::string& word) {
        std::string_view name = std::string_view(word).substr(2);
        size_t equals = name.find('=');
        std::string_view plain = name.substr(0, equals);
        if (plain.empty() || plain[0] == '-')
            throw make_error(ErrorKind::invalid_argument, "bad flag syntax: {}", word);
        const Flag* flag = flags_.find(plain);
        if (!flag) throw make_error(ErrorKind::invalid_argument, "unknown flag: --{}", plain);
        if (equals != std::string_view::npos)
            set(*flag, std::string(name.substr(equals + 1)));
        else if (flag->kind == Flag::Kind::boolean)
            set(*flag, "true");
        else if (at_ < words_.size())
            set(*flag, words_[at_++]);
        else
            throw make_error(ErrorKind::invalid_argument, "flag needs an argument: --{}", plain);
    }

    void take_cluster(const std::string& word) {
        std::string_view letters = std::string_view(word).substr(1);
        while (!letters.empty()) {
            const Flag* flag = flags_.find(letters[0]);
            if (!flag)
                throw make_error(ErrorKind::invalid_argument, "unknown shorthand flag: '{}' in -{}",
                                 letters[0], letters);
            std::string_view rest = letters.substr(1);
            if (rest.starts_with('=')) return set(*flag, std::string(rest.substr(1)));
            if (flag->kind == Flag::Kind::boolean) {
                set(*flag, "true");
                letters = rest;
                continue;
            }
            if (!rest.empty()) return set(*flag, std::string(rest));
            if (at_ == words_.size())
                throw make_error(ErrorKind::invalid_argument, "flag needs an argument: '{}' in -{}",
                                 letters[0], letters);
            return set(*flag, words_[at_++]);
        }
    }

    Flags& flags_;
    std::span<const std::string> words_;
    size_t at_ = 0;
};

void Flags::add_table(std::span<const Flag> table) {
    if (!table.empty()) tables_.push_back(table);
}

const Flag* Flags::find(std::string_view name) const {
    for (auto table : tables_)
        for (const Flag& flag : table)
            if (flag.name == name) return &flag;
    return nullptr;
}

const Flag* Flags::find(char shorthand) const {
    for (auto table : tables_)
        for (const Flag& flag : table)
            if (flag.shorthand == shorthand) return &flag;
    return nullptr;
}

const Flag& Flags::known(std::string_view name) const {
    if (const Flag* flag = find(name)) return *flag;
    throw std::logic_error(fmt::format("no flag --{} in the command's table", name));
}

bool Flags::is_set(std::string_view name) const {
    return values_.contains(known(name).name);
}

bool Flags::boolean(std::string_view name) const {
    return parse_bool(text(name)).value_or(false);
}

std::string Flags::text(std::string_view name) const {
    const Flag& flag = known(name);
    auto found = values_.find(flag.name);
    return found == values_.end() ? std::string(flag.default_text) : found->second.back();
}

std::optional<int64_t> Flags::number(std::string_view name) const {
    return parse_number<int64_t>(text(name));
}

std::vector<std::string> Flags::list(std::string_view name) const {
    auto found = values_.find(known(name).name);
    return found == values_.end() ? std::vector<std::string>{} : found->second;
}

size_t parse_flags(Flags& flags, std::span<const std::string> words, bool interspersed,
                   std::vector<std::string>& args) {
    return FlagParser(flags, words).run(interspersed, args);
}

std::string flag_help(std::span<const std::span<const Flag>> tables, size_t width) {
    std::vector<const Flag*> all;
    for (auto table : tables)
        for (const Flag& flag : table)
            if (!flag.hidden) all.push_back(&flag);
    std::ranges::sort(all, {}, &Flag::name);

    std::vector<std::string> heads;
    size_t column = 0;
    for (const Flag* flag : all) {
        std::string head = flag->shorthand ? fmt::format("  -{}, --{}", flag->shorthand, flag->name)
                                           : fmt::format("      --{}", flag->name);
        if (std::string_view word = value_word(*flag); !word.empty())
            fmt::format_to(std::back_inserter(head), " {}", word);
        column = std::max(column, head.size() + 3);
        heads.push_back(std::move(head));
    }
    std::string text;
    for (size_t i = 0; i < all.size(); ++i) {
        std::string usage(all[i]->usage);
        std::string_view value = all[i]->default_text;
        if (!value.empty() && value != "false")
            usage += all[i]->kind == Flag::Kind::text ? fmt::format(" (default {})", quote(value))
                                                      : fmt::format(" (default {})", value);
        auto lines = wrap(usage, std::max<size_t>(24, width > column ? width - column : 0));
        for (size_t n = 0; n < lines.size(); ++n)
            fmt::format_to(std::back_inserter(text), "{:<{}}{}\n", n == 0 ? heads[i] : "", column, lines[n]);
    }
    return text;
}

}  // namespace berth::app
