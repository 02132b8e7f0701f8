// SPDX-License-Identifier: Apache-2.0
#include "registry/client/challenge.h"

#include <algorithm>

namespace berth::registry {

namespace {

constexpr size_t kMaxChallenges = 16;
constexpr size_t kMaxParameters = 32;

bool is_token_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return result;
}

class Scanner {
  public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    bool at_end() const { return rest_.empty(); }
    char next() const { return rest_.empty() ? '\0' : rest_.front(); }
    void drop() { rest_.remove_prefix(1); }

    void skip(std::string_view chars) {
        size_t count = std::min(rest_.find_first_not_of(chars), rest_.size());
        rest_.remove_prefix(count);
    }

    std::string_view token() {
        auto end = std::find_if_not(rest_.begin(), rest_.end(), is_token_char);
        auto length = static_cast<size_t>(end - rest_.begin());
        std::string_view result = rest_.substr(0, length);
        rest_.remove_prefix(length);
        return result;
    }

    /// After the opening quote; a string that does not end goes to the end of the field.
    std::string quoted() {
        std::string result;
        while (!rest_.empty() && rest_.front() != '"') {
            if (rest_.front() == '\\' && rest_.size() > 1) drop();
            result += rest_.front();
            drop();
        }
        if (!rest_.empty()) drop();
        return result;
    }

    /// Up to the next comma or blank: values without quotes that hold more than token characters
    /// ("realm=https://…").
    std::string bare() {
        size_t length = std::min(rest_.find_first_of(", \t"), rest_.size());
        std::string result(rest_.substr(0, length));
        rest_.remove_prefix(length);
        return result;
    }

  private:
    std::string_view rest_;
};

void parse_field(std::string_view field, std::vector<Challenge>& into) {
    Scanner scanner(field);
    bool open = false;  // parameters belong to a challenge of this field
    while (!scanner.at_end()) {
        scanner.skip(", \t");
        if (scanner.at_end()) return;
        std::string_view word = scanner.token();
        if (word.empty()) {
            scanner.drop();
            continue;
        }
        scanner.skip(" \t");
        if (scanner.next() != '=') {  // "Scheme": what follows are its parameters, if any
            if (into.size() >= kMaxChallenges) return;
            into.push_back({lower(word), {}});
            open = true;
            continue;
        }
        scanner.drop();
        scanner.skip(" \t");
        std::string value;
        if (scanner.next() == '"') {
            scanner.drop();
            value = scanner.quoted();
        } else {
            value = scanner.bare();
        }
        if (!open || into.back().parameters.size() >= kMaxParameters) continue;
        std::string name = lower(word);
        if (into.back().get(name).empty())
            into.back().parameters.emplace_back(std::move(name), std::move(value));
    }
}

}  // namespace

std::string_view Challenge::get(std::string_view name) const {
    for (const auto& [key, value] : parameters)
        if (key == name) return value;
    return {};
}

std::vector<Challenge> parse_challenges(const std::vector<std::string_view>& fields) {
    std::vector<Challenge> result;
    for (std::string_view field : fields) parse_field(field, result);
    return result;
}

}  // namespace berth::registry
