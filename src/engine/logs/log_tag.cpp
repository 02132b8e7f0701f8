// SPDX-License-Identifier: Apache-2.0
#include <regex.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <optional>

#include "base/json.h"
#include "base/strings.h"
#include "engine/logs/log_options.h"

namespace berth::engine {

namespace {

Error wrong(std::string text) {
    return Error(ErrorKind::invalid_argument, std::move(text));
}

/// The part of Go's text/template that tags use: fields, string and number literals, pipes, and Docker's
/// functions lower, upper, title, truncate, pad, json.
class TagTemplate {
  public:
    TagTemplate(const LogOptionMap& options, const LogContainer& container)
        : options_(options), container_(container) {}

    std::string run(std::string_view text) {
        std::string out;
        while (true) {
            size_t open = text.find("{{");
            out += text.substr(0, open);
            if (open == std::string_view::npos) return out;
            text.remove_prefix(open + 2);
            size_t close = text.find("}}");
            if (close == std::string_view::npos) throw wrong("template: log-tag:1: unclosed action");
            out += action(trim(text.substr(0, close)));
            text.remove_prefix(close + 2);
        }
    }

  private:
    std::string action(std::string_view text) {
        if (text.starts_with("- ")) text = trim(text.substr(1));
        if (text.ends_with(" -")) text = trim(text.substr(0, text.size() - 1));
        std::optional<std::string> piped;
        for (const std::vector<std::string>& command : commands(text)) {
            std::vector<std::string> words = command;
            std::string first = words.front();
            words.erase(words.begin());
            if (first.starts_with('.') || first.starts_with('(') || first.starts_with('"')) {
                if (!words.empty())
                    throw wrong("template: log-tag:1: unexpected operand in " + quote(std::string(text)));
                piped = value(first);
                continue;
            }
            std::vector<std::string> arguments;
            for (const std::string& word : words) arguments.push_back(value(word));
            if (piped) arguments.push_back(*piped);
            piped = call(first, arguments);
        }
        return piped.value_or("");
    }

    static std::vector<std::vector<std::string>> commands(std::string_view text) {
        std::vector<std::vector<std::string>> result(1);
        std::string word;
        char until = 0;
        auto take = [&] {
            if (!word.empty()) result.back().push_back(std::move(word));
            word.clear();
        };
        for (char c : text) {
            if (until != 0) {
                word += c;
                if (c == until) until = 0;
            } else if (c == '|') {
                take();
                result.emplace_back();
            } else if (c == ' ' || c == '\t') {
                take();
            } else {
                if (c == '"') until = '"';
                if (c == '(') until = ')';
                word += c;
            }
        }
        take();
        for (const auto& command : result)
            if (command.empty()) throw wrong("template: log-tag:1: missing value for command");
        return result;
    }

    std::string value(const std::string& word) {
        if (word.size() > 1 && word.starts_with('"')) return word.substr(1, word.size() - 2);
        constexpr std::string_view kExtra = "(.ExtraAttributes nil).";
        if (word.starts_with(kExtra)) {
            auto attributes = log_attributes(options_, container_);
            auto found = attributes.find(word.substr(kExtra.size()));
            return found == attributes.end() ? "<no value>" : found->second;
        }
        if (word.starts_with('.')) return field(word.substr(1));
        return word;
    }

    std::string field(const std::string& name) {
        const LogContainer& of = container_;
        if (name == "ID") return of.id.substr(0, 12);
        if (name == "FullID" || name == "ContainerID") return of.id;
        if (name == "Name") return of.name.substr(of.name.starts_with('/') ? 1 : 0);
        if (name == "ContainerName") return of.name.starts_with('/') ? of.name : "/" + of.name;
        if (name == "ImageID") return of.image_id.substr(0, 12);
        if (name == "ImageFullID" || name == "ContainerImageID") return of.image_id;
        if (name == "ImageName" || name == "ContainerImageName") return of.image_name;
        if (name == "DaemonName") return of.daemon_name;
        if (name == "ContainerCreated") return of.created;
        if (name == "ContainerEntrypoint") return of.entrypoint;
        if (name == "Command") return command();
        if (name == "Hostname") {
            char host[256] = {};
            ::gethostname(host, sizeof host - 1);
            return host;
        }
        throw wrong("template: log-tag:1:2: executing \"log-tag\" at <." + name + ">: can't evaluate field " +
                    name + " in type *logger.Info");
    }

    std::string command() {
        std::vector<std::string> words{container_.entrypoint};
        words.insert(words.end(), container_.args.begin(), container_.args.end());
        return join(words, " ");
    }

    static size_t count(const std::string& text) {
        if (auto number = parse_number<size_t>(text); number && *number <= 4096) return *number;
        throw wrong("template: log-tag:1: expected integer; found " + quote(text));
    }

    static std::string call(const std::string& name, const std::vector<std::string>& given) {
        auto need = [&](size_t number) {
            if (given.size() != number)
                throw wrong("template: log-tag:1: executing \"log-tag\" at <" + name +
                            ">: wrong number of args for " + name + ": want " + std::to_string(number) +
                            " got " + std::to_string(given.size()));
        };
        auto map = [&](int (*each)(int)) {
            need(1);
            std::string text = given[0];
            for (char& c : text) c = static_cast<char>(each(static_cast<unsigned char>(c)));
            return text;
        };
        if (name == "lower") return map(::tolower);
        if (name == "upper") return map(::toupper);
        if (name == "title") {
            need(1);
            std::string text = given[0];
            for (size_t i = 0; i < text.size(); ++i)
                if (i == 0 || text[i - 1] == ' ')
                    text[i] = static_cast<char>(::toupper(static_cast<unsigned char>(text[i])));
            return text;
        }
        if (name == "json") {
            need(1);
            return json::print_string(given[0]);
        }
        if (name == "truncate") {
            need(2);
            return given[0].substr(0, count(given[1]));
        }
        if (name == "pad") {
            need(3);
            if (given[0].empty()) return {};
            return std::string(count(given[1]), ' ') + given[0] + std::string(count(given[2]), ' ');
        }
        throw wrong("template: log-tag:1: function " + quote(name) + " not defined");
    }

    const LogOptionMap& options_;
    const LogContainer& container_;
};

class Pattern {
  public:
    explicit Pattern(const std::string& text) {
        int code = ::regcomp(&compiled_, text.c_str(), REG_EXTENDED | REG_NOSUB);
        if (code == 0) return;
        char problem[128];
        ::regerror(code, &compiled_, problem, sizeof problem);
        throw wrong("error parsing regexp: " + std::string(problem) + ": `" + text + "`");
    }
    ~Pattern() { ::regfree(&compiled_); }
    Pattern(const Pattern&) = delete;
    Pattern& operator=(const Pattern&) = delete;
    bool matches(const std::string& text) const {
        return ::regexec(&compiled_, text.c_str(), 0, nullptr, 0) == 0;
    }

  private:
    regex_t compiled_{};
};

}  // namespace

std::string log_tag(const LogOptionMap& options, const LogContainer& container, const std::string& fallback) {
    auto given = options.find("tag");
    const std::string& text = given == options.end() || given->second.empty() ? fallback : given->second;
    return TagTemplate(options, container).run(text);
}

std::map<std::string, std::string> log_attributes(const LogOptionMap& options, const LogContainer& container,
                                                  const std::function<std::string(std::string)>& rename) {
    std::map<std::string, std::string> env;
    for (const std::string& variable : container.env)
        if (size_t equals = variable.find('='); equals != std::string::npos)
            env[variable.substr(0, equals)] = variable.substr(equals + 1);
    std::map<std::string, std::string> chosen;
    auto choose = [&](const std::string& key, const std::map<std::string, std::string>& from) {
        auto add = [&](const std::string& name, const std::string& value) {
            chosen[rename ? rename(name) : name] = value;
        };
        if (auto names = options.find(key); names != options.end())
            for (std::string_view name : split(names->second, ','))
                if (auto found = from.find(std::string(name)); found != from.end())
                    add(found->first, found->second);
        auto pattern = options.find(key + "-regex");
        if (pattern == options.end() || pattern->second.empty()) return;
        Pattern compiled(pattern->second);
        for (const auto& [name, value] : from)
            if (compiled.matches(name)) add(name, value);
    };
    choose("labels", container.labels);
    choose("env", env);
    return chosen;
}

}  // namespace berth::engine
