// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

/// What the folders of overlay layers and snapshots are called.
namespace berth::store {

inline constexpr const char* kEmptyLayer = "0";

/// A row's number (from 1 on, never used again) in base 36.
inline std::string folder_name(int64_t id) {
    std::string digits;
    for (; id > 0; id /= 36) digits += "0123456789abcdefghijklmnopqrstuvwxyz"[id % 36];
    std::reverse(digits.begin(), digits.end());
    return digits;
}

/// The project (quotas) of a snapshot: numbers that people's own /etc/projects leave free.
inline uint32_t project_of(int64_t id) {
    return 0x42000000u + static_cast<uint32_t>(id % 0x01000000);
}

}  // namespace berth::store
