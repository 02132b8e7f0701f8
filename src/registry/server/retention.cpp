// SPDX-License-Identifier: Apache-2.0
#include "registry/server/retention.h"

#include <map>

#include "base/strings.h"

namespace berth::registry::server {

namespace {

/// Iterative, so that a pattern of many '*' costs no more than length times length.
bool glob(std::string_view pattern, std::string_view text) {
    size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.size() && pattern[p] == text[t]) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

}  // namespace

std::chrono::seconds parse_duration(std::string_view text) {
    auto fail = [&] {
        return make_error(ErrorKind::invalid_argument,
                          "invalid duration {}: expected a number with s, m, h, d or w", quote(text));
    };
    constexpr int64_t kMost = int64_t{1'000} * 366 * 86'400;
    int64_t total = 0;
    std::string_view rest = text;
    if (rest.empty()) throw fail();
    while (!rest.empty()) {
        size_t digits = rest.find_first_not_of("0123456789");
        if (digits == 0 || digits == std::string_view::npos) throw fail();
        auto number = parse_number<int64_t>(rest.substr(0, digits));
        int64_t unit = 0;
        switch (rest[digits]) {
            case 's': unit = 1; break;
            case 'm': unit = 60; break;
            case 'h': unit = 3600; break;
            case 'd': unit = 86'400; break;
            case 'w': unit = 7 * 86'400; break;
            default: throw fail();
        }
        if (!number || *number > kMost / unit) throw fail();
        total += *number * unit;
        if (total > kMost) throw fail();
        rest = rest.substr(digits + 1);
    }
    return std::chrono::seconds(total);
}

RetentionRule RetentionRule::parse(std::string_view text) {
    auto fail = [&](std::string_view why) {
        return make_error(ErrorKind::invalid_argument, "retention rule {}: {}", quote(text), why);
    };
    size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0)
        throw fail("expected <repository pattern>=<condition>");
    RetentionRule rule;
    rule.pattern = text.substr(0, equals);
    for (std::string_view condition : split(text.substr(equals + 1), ',')) {
        size_t colon = condition.find(':');
        std::string_view name = condition.substr(0, colon);
        std::string_view value = colon == std::string_view::npos ? "" : condition.substr(colon + 1);
        if (name == "keep") {
            rule.keep = parse_number<uint64_t>(value);
            if (!rule.keep) throw fail("keep: takes a number");
        } else if (name == "older" || name == "untagged") {
            auto age = with_context("retention rule " + quote(text), [&] { return parse_duration(value); });
            (name == "older" ? rule.older : rule.untagged) = age;
        } else {
            throw fail("conditions are keep:<n>, older:<time> and untagged:<time>");
        }
    }
    if (!rule.keep && !rule.older && !rule.untagged) throw fail("no condition");
    return rule;
}

bool RetentionRule::matches(std::string_view repository) const {
    return glob(pattern, repository);
}

std::vector<TagInfo> retired(const RetentionRule& rule, const std::vector<TagInfo>& newest_first,
                             int64_t now_ns) {
    std::vector<TagInfo> gone;
    if (!rule.keep && !rule.older) return gone;
    for (size_t i = rule.keep.value_or(0); i < newest_first.size(); ++i) {
        const TagInfo& tag = newest_first[i];
        if (rule.older && now_ns - tag.updated_ns < std::chrono::nanoseconds(*rule.older).count()) continue;
        gone.push_back(tag);
    }
    return gone;
}

uint64_t apply_retention(Catalog& catalog, const std::vector<RetentionRule>& rules, int64_t now_ns) {
    if (rules.empty()) return 0;
    std::map<std::string, std::vector<TagInfo>> repositories;
    for (const std::string& name : catalog.repositories({}).names) repositories[name];
    for (TagInfo& tag : catalog.all_tags()) repositories[tag.repository].push_back(std::move(tag));
    uint64_t count = 0;
    for (const auto& [repository, tags] : repositories) {
        const RetentionRule* rule = nullptr;
        for (const RetentionRule& candidate : rules)
            if (rule == nullptr && candidate.matches(repository)) rule = &candidate;
        if (rule == nullptr) continue;
        for (const TagInfo& tag : retired(*rule, tags, now_ns))
            if (catalog.retire_tag(tag)) ++count;
        if (rule->untagged)
            catalog.delete_untagged(repository, now_ns - std::chrono::nanoseconds(*rule->untagged).count());
    }
    return count;
}

}  // namespace berth::registry::server
