// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace berth {

/// Alphabets of RFC 4648: section 4 (`+/`) and section 5 (`-_`). Both are padded with '='.
enum class Base64 { standard, url };

std::string encode_base64(std::string_view bytes, Base64 alphabet = Base64::standard);
/// Takes both alphabets, with padding or without. Nothing where the text is malformed: other characters, a
/// length that no bytes have, unused bits that are not zero.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace berth
