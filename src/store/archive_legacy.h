// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "spec/image.h"
#include "store/archive_files.h"

namespace berth::store {

/// An image of an archive that has no manifest.json (docker save before 1.10).
struct LegacyImage {
    std::string config;               ///< made from the layers' json files
    std::vector<std::string> layers;  ///< paths of the layers' tars, lowest first
    std::vector<spec::Reference> names;
};

/// The images that `repositories` names. Layers are followed by "parent" from each of them.
std::vector<LegacyImage> legacy_images(const ArchiveFiles& files, const std::string& repositories);

}  // namespace berth::store
