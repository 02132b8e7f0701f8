// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/server/catalog.h"

namespace berth::registry::server {

/// Which tags of the repositories that a pattern names go: "<pattern>=<condition>[,<condition>…]".
///   keep:<n>         all but the n that were pushed last
///   older:<time>     pushed longer ago than this; together with keep: both must hold
///   untagged:<time>  manifests (not tags) of that age that no tag, index or subject holds
/// '*' in a pattern stands for any characters, '/' included: "ci/*=keep:10,older:7d".
struct RetentionRule {
    std::string pattern;
    std::optional<uint64_t> keep;
    std::optional<std::chrono::seconds> older, untagged;

    /// Throws invalid_argument.
    static RetentionRule parse(std::string_view text);
    bool matches(std::string_view repository) const;
};

/// The tags that go, of those of one repository, newest first.
std::vector<TagInfo> retired(const RetentionRule& rule, const std::vector<TagInfo>& newest_first,
                             int64_t now_ns);

/// Deletes what the rules say: tags, and manifests that only they held. The first rule that matches a
/// repository counts. The number of tags that went.
uint64_t apply_retention(Catalog& catalog, const std::vector<RetentionRule>& rules, int64_t now_ns);

/// "90s", "1h30m", "7d", "2w". Throws invalid_argument.
std::chrono::seconds parse_duration(std::string_view text);

}  // namespace berth::registry::server
