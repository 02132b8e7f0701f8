// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace berth::registry {

/// One way to authenticate that a WWW-Authenticate field offers (RFC 9110, 11.6.1; RFC 6750, 3).
struct Challenge {
    std::string scheme;  ///< in lower case: "bearer", "basic"
    /// Names in lower case, values unquoted; the first one of a name counts.
    std::vector<std::pair<std::string, std::string>> parameters;

    /// "" where absent.
    std::string_view get(std::string_view name) const;
};

/// All challenges of the given field values; a field may hold several. What is malformed is skipped, never an
/// error: the header is the registry's, and the rest of it may be of use. At most 16 challenges of 32
/// parameters.
std::vector<Challenge> parse_challenges(const std::vector<std::string_view>& fields);

}  // namespace berth::registry
