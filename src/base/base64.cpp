// SPDX-License-Identifier: Apache-2.0
#include "base/base64.h"

#include <cstdint>

namespace berth {

namespace {

constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int value_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+' || c == '-') return 62;
    if (c == '/' || c == '_') return 63;
    return -1;
}

}  // namespace

std::string encode_base64(std::string_view bytes, Base64 alphabet) {
    std::string_view digits = alphabet == Base64::url ? kUrl : kStandard;
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (; !bytes.empty(); bytes.remove_prefix(bytes.size() < 3 ? bytes.size() : 3)) {
        uint32_t group = 0;
        for (size_t i = 0; i < 3; ++i)
            group = group << 8 | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0);
        for (size_t i = 0; i < 4; ++i) text += i <= bytes.size() ? digits[group >> (18 - 6 * i) & 63] : '=';
    }
    return text;
}

std::optional<std::string> decode_base64(std::string_view text) {
    if (size_t end = text.find_last_not_of('='); end != text.size() - 1) {
        size_t kept = end == std::string_view::npos ? 0 : end + 1;
        if (text.size() % 4 != 0 || text.size() - kept > 2) return std::nullopt;
        text = text.substr(0, kept);
    }
    std::string bytes;
    bytes.reserve(text.size() * 3 / 4);
    uint32_t pending = 0;
    int bits = 0;
    for (char c : text) {
        int value = value_of(c);
        if (value < 0) return std::nullopt;
        pending = pending << 6 | static_cast<uint32_t>(value);
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        bytes += static_cast<char>(pending >> bits & 0xff);
    }
    if (bits == 6 || (pending & ((1u << bits) - 1)) != 0) return std::nullopt;
    return bytes;
}

}  // namespace berth
