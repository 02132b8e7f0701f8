// SPDX-License-Identifier: Apache-2.0
#include "registry/server/byte_range.h"

#include <algorithm>
#include <limits>

#include "base/strings.h"

namespace berth::registry::server {

namespace {

/// Digits only: from_chars takes a sign for signed types alone, and the grammar allows none. A number too big
/// for us is bigger than any blob.
std::optional<uint64_t> position(std::string_view text) {
    if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
    return parse_number<uint64_t>(text).value_or(std::numeric_limits<uint64_t>::max());
}

}  // namespace

RangeAnswer parse_range(std::string_view field, uint64_t size) {
    RangeAnswer whole{RangeKind::whole, {0, size}};
    constexpr std::string_view unit = "bytes=";
    if (!field.starts_with(unit)) return whole;
    std::string_view spec = trim(field.substr(unit.size()));
    size_t dash = spec.find('-');
    if (dash == std::string_view::npos || spec.find(',') != std::string_view::npos) return whole;
    std::string_view first_text = trim(spec.substr(0, dash)), last_text = trim(spec.substr(dash + 1));
    if (first_text.empty()) {
        auto suffix = position(last_text);
        if (!suffix) return whole;
        if (*suffix == 0 || size == 0) return {RangeKind::unsatisfiable, {}};
        return {RangeKind::part, {size - std::min(*suffix, size), size}};
    }
    auto first = position(first_text);
    std::optional<uint64_t> last = std::numeric_limits<uint64_t>::max();
    if (!last_text.empty()) last = position(last_text);
    if (!first || !last || *last < *first) return whole;
    if (*first >= size) return {RangeKind::unsatisfiable, {}};
    return {RangeKind::part, {*first, std::min(*last, size - 1) + 1}};
}

std::optional<ByteRange> parse_chunk_range(std::string_view field) {
    field = trim(field);
    if (field.starts_with("bytes")) {
        field.remove_prefix(5);
        if (!field.starts_with(' ') && !field.starts_with('=')) return std::nullopt;
        field = trim(field.substr(1));
    }
    if (size_t slash = field.find('/'); slash != std::string_view::npos) field = field.substr(0, slash);
    size_t dash = field.find('-');
    if (dash == std::string_view::npos) return std::nullopt;
    auto first = position(field.substr(0, dash)), last = position(field.substr(dash + 1));
    if (!first || !last || *last < *first || *last == std::numeric_limits<uint64_t>::max())
        return std::nullopt;
    return ByteRange{*first, *last + 1};
}

}  // namespace berth::registry::server
