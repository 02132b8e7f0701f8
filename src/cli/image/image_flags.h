// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/flags.h"

/// Flags that the commands for a daemon's images and those for a store's have alike.
namespace berth::cli {

inline constexpr Flag kAllImagesFlag = {"all", 'a', Flag::Kind::boolean,
                                        "Show all images (default hides intermediate images)"};
inline constexpr Flag kDigestsFlag = {
    .name = "digests", .kind = Flag::Kind::boolean, .usage = "Show digests"};
inline constexpr Flag kHumanFlag = {.name = "human",
                                    .shorthand = 'H',
                                    .kind = Flag::Kind::boolean,
                                    .usage = "Print sizes and dates in human readable format",
                                    .default_text = "true"};
inline constexpr Flag kPullAllTagsFlag = {"all-tags", 'a', Flag::Kind::boolean,
                                          "Download all tagged images in the repository"};
inline constexpr Flag kPushAllTagsFlag = {"all-tags", 'a', Flag::Kind::boolean,
                                          "Push all tags of an image to the repository"};
inline constexpr Flag kChangeFlag = {"change", 'c', Flag::Kind::list,
                                     "Apply Dockerfile instruction to the created image"};
inline constexpr Flag kForceRemovalFlag = {"force", 'f', Flag::Kind::boolean, "Force removal of the image"};
inline constexpr Flag kNoPruneFlag = {
    .name = "no-prune", .kind = Flag::Kind::boolean, .usage = "Do not delete untagged parents"};

}  // namespace berth::cli
