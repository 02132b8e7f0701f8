// SPDX-License-Identifier: Apache-2.0
#include "store/config_changes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"

namespace berth::store {

namespace {

template <typename... Args>
Error bad_change(fmt::format_string<Args...> format, Args&&... args) {
    return make_error(ErrorKind::invalid_argument, format, std::forward<Args>(args)...);
}

/// `["a", "b"]`, or nothing where it is no such array.
std::optional<std::vector<std::string>> exec_form(std::string_view text) {
    if (!text.starts_with('[')) return std::nullopt;
    try {
        return json::decode_text<std::vector<std::string>>(text);
    } catch (const Error&) {
        return std::nullopt;  // as Docker: then it is a shell's text
    }
}

std::vector<std::string> command_of(std::string_view text, const spec::ImageRunConfig& config) {
    if (auto words = exec_form(text)) return *words;
    std::vector<std::string> words =
        config.Shell.empty() ? std::vector<std::string>{"/bin/sh", "-c"} : config.Shell;
    words.emplace_back(text);
    return words;
}

/// Words as a shell has them: quotes and backslashes taken off.
std::vector<std::string> shell_words(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    bool in_word = false;
    char quote_mark = 0;
    for (size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        bool is_blank = c == ' ' || c == '\t' || c == '\n';
        if (!quote_mark && is_blank) {
            if (in_word) words.push_back(std::exchange(word, {}));
            in_word = false;
            continue;
        }
        in_word = true;
        if (quote_mark ? c == quote_mark : c == '"' || c == '\'')
            quote_mark = quote_mark ? 0 : c;
        else if (c == '\\' && quote_mark != '\'' && i + 1 < text.size())
            word += text[++i];
        else
            word += c;
    }
    if (quote_mark) throw bad_change("a quote is not closed");
    if (in_word) words.push_back(std::move(word));
    return words;
}

/// "k=v k2='v 2'", or the old form "k v".
std::vector<std::pair<std::string, std::string>> pairs(std::string_view text, std::string_view instruction) {
    std::string_view first = text.substr(0, text.find_first_of(" \t"));
    if (first.find('=') == std::string_view::npos) {
        std::string_view value = trim(text.substr(first.size()));
        if (value.empty()) throw bad_change("{} must have two arguments", instruction);
        return {{std::string(first), std::string(value)}};
    }
    std::vector<std::pair<std::string, std::string>> result;
    for (const std::string& word : shell_words(text)) {
        size_t equals = word.find('=');
        if (equals == std::string::npos || equals == 0)
            throw bad_change("Syntax error - can't find = in {}. Must be of the form: name=value",
                             quote(word));
        result.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    }
    return result;
}

void set_env(std::vector<std::string>& env, const std::string& key, const std::string& value) {
    std::string entry = key + '=' + value;
    for (std::string& old : env)
        if (old.starts_with(key + '=')) {
            old = entry;
            return;
        }
    env.push_back(entry);
}

void expose(spec::ImageRunConfig& config, std::string_view text) {
    for (std::string_view word : split_fields(text)) {
        size_t slash = word.find('/');
        std::string_view ports = word.substr(0, slash);
        std::string_view protocol = slash == std::string_view::npos ? "tcp" : word.substr(slash + 1);
        size_t dash = ports.find('-');
        auto begin = parse_number<uint16_t>(ports.substr(0, dash));
        auto end = dash == std::string_view::npos ? begin : parse_number<uint16_t>(ports.substr(dash + 1));
        constexpr std::array<std::string_view, 3> kProtocols = {"tcp", "udp", "sctp"};
        if (!begin || !end || *begin > *end || std::ranges::find(kProtocols, protocol) == kProtocols.end())
            throw bad_change("invalid containerPort: {}", word);
        for (unsigned port = *begin; port <= *end; ++port)
            config.ExposedPorts[fmt::format("{}/{}", port, protocol)] = json::Object{};
    }
}

/// Go's durations: "1m30s", "500ms".
int64_t duration_ns(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, double>, 6> kUnits = {{
        {"ns", 1},
        {"us", 1e3},
        {"ms", 1e6},
        {"h", 3.6e12},
        {"m", 6e10},
        {"s", 1e9},
    }};
    std::string_view rest = text;
    double sum = 0;
    do {
        size_t digits = std::min(rest.find_first_not_of("0123456789."), rest.size());
        double number = 0;
        auto [end, error] = std::from_chars(rest.data(), rest.data() + digits, number);
        rest.remove_prefix(digits);
        auto unit = std::ranges::find_if(kUnits, [&](const auto& u) { return rest.starts_with(u.first); });
        if (digits == 0 || error != std::errc{} || unit == kUnits.end())
            throw bad_change("time: invalid duration {}", quote(text));
        sum += number * unit->second;
        rest.remove_prefix(unit->first.size());
    } while (!rest.empty());
    if (sum > 9e18) throw bad_change("time: invalid duration {}", quote(text));
    return static_cast<int64_t>(sum);
}

void healthcheck(spec::ImageRunConfig& config, std::string_view text) {
    spec::Healthcheck check;
    while (text.starts_with("--")) {
        std::string_view word = text.substr(0, text.find_first_of(" \t"));
        text = trim(text.substr(word.size()));
        size_t equals = word.find('=');
        std::string_view name = word.substr(2, equals == std::string_view::npos ? equals : equals - 2);
        std::string_view value =
            equals == std::string_view::npos ? std::string_view{} : word.substr(equals + 1);
        if (name == "interval")
            check.Interval = duration_ns(value);
        else if (name == "timeout")
            check.Timeout = duration_ns(value);
        else if (name == "start-period")
            check.StartPeriod = duration_ns(value);
        else if (name == "start-interval")
            check.StartInterval = duration_ns(value);
        else if (name == "retries" && parse_number<int>(value))
            check.Retries = *parse_number<int>(value);
        else
            throw bad_change("unknown flag: --{}", name);
    }
    std::string_view kind = text.substr(0, text.find_first_of(" \t"));
    std::string_view rest = trim(text.substr(kind.size()));
    if (kind == "NONE" && rest.empty()) {
        check = {};
        check.Test = {"NONE"};
    } else if (kind == "CMD" && !rest.empty()) {
        if (auto words = exec_form(rest)) {
            check.Test = *words;
            check.Test.insert(check.Test.begin(), "CMD");
        } else {
            check.Test = {"CMD-SHELL", std::string(rest)};
        }
    } else {
        throw bad_change("HEALTHCHECK needs NONE or CMD with a command");
    }
    config.Healthcheck_ = std::move(check);
}

void work_dir(spec::ImageRunConfig& config, std::string_view text) {
    std::string path =
        text.starts_with('/') ? std::string(text) : config.WorkingDir + '/' + std::string(text);
    std::vector<std::string> parts;
    for (std::string_view part : split(path, '/')) {
        if (part.empty() || part == ".") continue;
        if (part != "..")
            parts.emplace_back(part);
        else if (!parts.empty())
            parts.pop_back();
    }
    config.WorkingDir = '/' + join(parts, "/");
}

void on_build(spec::ImageRunConfig& config, std::string_view text) {
    std::string trigger(text.substr(0, text.find_first_of(" \t")));
    std::ranges::transform(trigger, trigger.begin(), [](char c) { return static_cast<char>(toupper(c)); });
    if (trigger == "ONBUILD") throw bad_change("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (trigger == "FROM" || trigger == "MAINTAINER")
        throw bad_change("{} isn't allowed as an ONBUILD trigger", trigger);
    config.OnBuild.emplace_back(text);
}

void apply(spec::ImageRunConfig& config, std::string_view change, bool& cmd_set) {
    std::string_view word = change.substr(0, change.find_first_of(" \t"));
    std::string_view rest = trim(change.substr(word.size()));
    std::string name(word);
    std::ranges::transform(name, name.begin(), [](char c) { return static_cast<char>(toupper(c)); });
    if (rest.empty() && name != "CMD" && name != "ENTRYPOINT")
        throw bad_change("{} requires at least one argument", name);
    if (name == "CMD") {
        config.Cmd = command_of(rest, config);
        cmd_set = true;
    } else if (name == "ENTRYPOINT") {
        config.Entrypoint = command_of(rest, config);
        // The old command was meant for the old entrypoint.
        if (!cmd_set) config.Cmd.reset();
    } else if (name == "ENV") {
        for (const auto& [key, value] : pairs(rest, name)) set_env(config.Env, key, value);
    } else if (name == "LABEL") {
        for (const auto& [key, value] : pairs(rest, name)) config.Labels[key] = value;
    } else if (name == "EXPOSE") {
        expose(config, rest);
    } else if (name == "HEALTHCHECK") {
        healthcheck(config, rest);
    } else if (name == "ONBUILD") {
        on_build(config, rest);
    } else if (name == "STOPSIGNAL") {
        config.StopSignal = rest;
    } else if (name == "USER") {
        config.User = rest;
    } else if (name == "VOLUME") {
        for (const std::string& path : exec_form(rest).value_or(shell_words(rest)))
            config.Volumes[path] = json::Object{};
    } else if (name == "WORKDIR") {
        work_dir(config, rest);
    } else {
        throw bad_change("{} is not a valid change command", word);
    }
}

}  // namespace

void apply_changes(spec::ImageRunConfig& config, std::span<const std::string> changes) {
    bool cmd_set = false;
    for (const std::string& change : changes)
        with_context([&] { return "change " + quote(change); },
                     [&] { apply(config, trim(change), cmd_set); });
}

}  // namespace berth::store
