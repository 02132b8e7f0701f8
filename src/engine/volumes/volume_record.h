// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "engine/volumes/volumes.h"

namespace berth::engine {

/// A volume's row in StateDb, beside its name: JSON.
struct VolumeRecord {
    int version = 1;
    int64_t created_ns = 0;
    std::string driver = "local";
    std::map<std::string, std::string> labels, options;
    uint32_t project = 0;  ///< of its quota; 0: none
    uint64_t quota_bytes = 0;
};

std::string encode_volume_record(const VolumeRecord& record);
VolumeRecord decode_volume_record(std::string_view text);

}  // namespace berth::engine
