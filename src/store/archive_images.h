// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "store/archive_files.h"

namespace berth::store {

/// One image as an archive describes it; nothing of it is in the store but larger files.
struct ArchiveImage {
    std::string what;  ///< for messages: its name, or where it was found
    ImageKind kind = ImageKind::image;
    std::string config_text;                   ///< where the archive has no file of it
    std::optional<ArchiveFiles::File> config;  ///< else this
    std::vector<spec::Descriptor> layers;      ///< a docker-archive's have no media type
    std::optional<spec::Descriptor> manifest;
    std::vector<Digest> indexes;
    std::vector<spec::Reference> names;
};

/// The images of an archive, whichever form it has. Everything that documents name is there, and of the size
/// that they say. Throws invalid_argument.
std::vector<ArchiveImage> archive_images(const ArchiveFiles& files,
                                         const std::optional<spec::Platform>& platform);

}  // namespace berth::store
