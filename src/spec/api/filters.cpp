// SPDX-License-Identifier: Apache-2.0
#include "spec/api/filters.h"

#include <fmt/core.h>
#include <regex.h>

#include <algorithm>
#include <optional>

#include "base/strings.h"

namespace berth::spec::api {

namespace {

constexpr size_t kMaxExpression = 1024;

/// POSIX counts repetitions by copying: "((a{255}){255})" is gigabytes. Nobody filters names so.
bool has_counted_repetition(std::string_view text) {
    return text.find('{') != std::string_view::npos;
}

/// Go's syntax (RE2) in that of regcomp, as far as people write it to find names. Nothing for references to
/// groups, which RE2 does not have.
std::optional<std::string> to_posix(std::string_view text) {
    std::string result;
    bool in_set = false;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 1 < text.size()) {
            char next = text[++i];
            if (next == 'd')
                result += in_set ? "0-9" : "[0-9]";
            else if (in_set && next == 'w')
                result += "A-Za-z0-9_";
            else if (in_set)
                result += next;
            else if (next >= '1' && next <= '9')
                return std::nullopt;
            else
                result += {'\\', next};
        } else if (!in_set && text.substr(i).starts_with("(?:")) {
            result += '(';
            i += 2;
        } else {
            if (text[i] == '[') in_set = true;
            if (text[i] == ']') in_set = false;
            result += text[i];
        }
    }
    return result;
}

class Expression {
  public:
    explicit Expression(std::string_view text) {
        bool plain = text.find_first_of("\\^$.|?*+()[]{}") == std::string_view::npos;
        if (plain) {
            plain_ = text;
            return;
        }
        int flags = REG_EXTENDED | REG_NOSUB;
        if (text.starts_with("(?i)")) {
            flags |= REG_ICASE;
            text.remove_prefix(4);
        }
        if (text.size() > kMaxExpression || has_counted_repetition(text)) return;
        std::optional<std::string> posix = to_posix(text);
        if (!posix) return;
        auto compiled = std::make_unique<regex_t>();
        if (::regcomp(compiled.get(), posix->c_str(), flags) == 0) compiled_.reset(compiled.release());
    }

    bool found_in(std::string_view source) const {
        if (plain_) return source.find(*plain_) != std::string_view::npos;
        return compiled_ && ::regexec(compiled_.get(), std::string(source).c_str(), 0, nullptr, 0) == 0;
    }

  private:
    struct Free {
        void operator()(regex_t* compiled) const {
            ::regfree(compiled);
            delete compiled;
        }
    };
    std::optional<std::string> plain_;
    std::unique_ptr<regex_t, Free> compiled_;
};

bool label_matches(std::string_view wanted, const std::map<std::string, std::string>& labels) {
    size_t equals = wanted.find('=');
    auto found = labels.find(std::string(wanted.substr(0, equals)));
    if (found == labels.end()) return false;
    return equals == std::string_view::npos || found->second == wanted.substr(equals + 1);
}

}  // namespace

struct Filters::Expressions {
    std::map<std::string, std::vector<Expression>, std::less<>> by_name;
};

Filters Filters::parse(std::string_view text) {
    Filters result;
    if (text.empty()) return result;
    auto refuse = [] { return Error(ErrorKind::invalid_argument, "invalid filter"); };
    json::Value value;
    try {
        value = json::parse(text);
    } catch (const Error&) {
        throw refuse();
    }
    if (value.is_null()) return result;
    if (!value.is_object()) throw refuse();
    for (const auto& field : value.get_object()) {
        auto& values = result.fields_[std::string(field.key())];
        if (field.value().is_object()) {
            for (const auto& member : field.value().get_object()) {
                if (!member.value().is_bool()) throw refuse();
                if (member.value().get_bool()) values.emplace(std::string_view(member.key()));
            }
        } else if (field.value().is_array()) {
            for (const auto& element : field.value().get_array()) {
                if (!element.is_string()) throw refuse();
                values.emplace(std::string_view(element.get_string()));
            }
        } else if (!field.value().is_null()) {
            throw refuse();
        }
    }
    return result;
}

bool Filters::has(std::string_view name, std::string_view value) const {
    return get(name).contains(value);
}

const std::set<std::string, std::less<>>& Filters::get(std::string_view name) const {
    static const std::set<std::string, std::less<>> none;
    auto found = fields_.find(name);
    return found == fields_.end() ? none : found->second;
}

void Filters::add(std::string_view name, std::string value) {
    fields_[std::string(name)].insert(std::move(value));
    expressions_.reset();
}

void Filters::remove(std::string_view name) {
    auto found = fields_.find(name);
    if (found != fields_.end()) fields_.erase(found);
    expressions_.reset();
}

void Filters::validate(std::initializer_list<std::string_view> accepted) const {
    for (const auto& [name, values] : fields_)
        if (std::find(accepted.begin(), accepted.end(), name) == accepted.end())
            throw make_error(ErrorKind::invalid_argument, "invalid filter '{}'", name);
}

bool Filters::exact(std::string_view name, std::string_view source) const {
    const auto& values = get(name);
    return values.empty() || values.contains(source);
}

bool Filters::unique_exact(std::string_view name, std::string_view source) const {
    const auto& values = get(name);
    return values.empty() || (values.size() == 1 && *values.begin() == source);
}

bool Filters::prefix(std::string_view name, std::string_view source) const {
    const auto& values = get(name);
    return values.empty() || std::any_of(values.begin(), values.end(),
                                         [&](const std::string& value) { return source.starts_with(value); });
}

bool Filters::pattern(std::string_view name, std::string_view source) const {
    const auto& values = get(name);
    if (values.empty()) return true;
    if (!expressions_) expressions_ = std::make_shared<Expressions>();
    auto found = expressions_->by_name.find(name);
    if (found == expressions_->by_name.end()) {
        found = expressions_->by_name.emplace(std::string(name), std::vector<Expression>()).first;
        for (const std::string& value : values) found->second.emplace_back(value);
    }
    return std::any_of(found->second.begin(), found->second.end(),
                       [&](const Expression& expression) { return expression.found_in(source); });
}

bool Filters::labels(std::string_view name, const std::map<std::string, std::string>& labels) const {
    const auto& values = get(name);
    return std::all_of(values.begin(), values.end(),
                       [&](const std::string& value) { return label_matches(value, labels); });
}

bool Filters::no_labels(std::string_view name, const std::map<std::string, std::string>& labels) const {
    const auto& values = get(name);
    return std::none_of(values.begin(), values.end(),
                        [&](const std::string& value) { return label_matches(value, labels); });
}

bool Filters::flag(std::string_view name, bool otherwise) const {
    if (!contains(name)) return otherwise;
    const auto& values = get(name);
    if (values.size() != 1) fail(name);
    const std::string& value = *values.begin();
    if (value == "1" || value == "true") return true;
    if (value == "0" || value == "false") return false;
    fail(name);
}

void Filters::fail(std::string_view name) const {
    const auto& values = get(name);
    throw make_error(ErrorKind::invalid_argument, "invalid filter '{}=[{}]'", name,
                     join(std::vector<std::string>(values.begin(), values.end()), " "));
}

}  // namespace berth::spec::api
