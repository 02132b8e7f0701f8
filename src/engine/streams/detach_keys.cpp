// SPDX-License-Identifier: Apache-2.0
#include "engine/streams/detach_keys.h"

#include <optional>

#include "base/error.h"
#include "base/strings.h"

namespace berth::engine {

namespace {

constexpr char kDelete = 127;

std::optional<char> byte_of(std::string_view key) {
    if (key.size() == 1) return key.front();
    if (key == "DEL") return kDelete;
    if (!key.starts_with("ctrl-") || key.size() != 6) return std::nullopt;
    char last = key.back();
    if (last >= 'a' && last <= 'z') return static_cast<char>(last - 'a' + 1);
    if (last == '@') return '\0';
    if (last >= '[' && last <= '_') return static_cast<char>(last - '@');
    return std::nullopt;
}

}  // namespace

std::string parse_detach_keys(std::string_view text) {
    if (text.empty()) text = "ctrl-p,ctrl-q";
    std::string keys;
    for (std::string_view key : split(text, ',')) {
        std::optional<char> byte = byte_of(key);
        if (!byte) throw make_error(ErrorKind::invalid_argument, "Invalid detach keys ({}) provided", text);
        keys += *byte;
    }
    return keys;
}

bool DetachScanner::scan(std::string_view input, std::string& out) {
    for (char byte : input) {
        if (keys_.empty()) {
            out += byte;
            continue;
        }
        // What was held back is passed on as far as it is no beginning any more.
        while (matched_ > 0 && byte != keys_[matched_]) {
            size_t shorter = matched_ - 1;
            while (shorter > 0 &&
                   !keys_.starts_with(std::string_view(keys_).substr(matched_ - shorter, shorter)))
                --shorter;
            out.append(keys_, 0, matched_ - shorter);
            matched_ = shorter;
        }
        if (byte != keys_[matched_])
            out += byte;
        else if (++matched_ == keys_.size())
            return true;
    }
    return false;
}

}  // namespace berth::engine
