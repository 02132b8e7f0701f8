// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/images/state.h"

/// Images in the words of the API. Blocking, on threads of the pool.
namespace berth::engine {

struct SummaryOptions {
    bool shared_size = false, manifests = false, containers = false;
    std::map<std::string, ImageUse> users;
};

std::vector<spec::api::ImageSummary> summarize(store::Store& store, ImageDocuments& documents,
                                               const std::vector<store::Image>& images,
                                               const SummaryOptions& options);
ImageDetails describe(store::Store& store, ImageDocuments& documents, const store::Image& image,
                      const std::string& driver);
/// The one manifest that an image of ours has; none where it isn't known.
std::vector<spec::api::ManifestSummary> manifests_of(store::Store& store, ImageDocuments& documents,
                                                     const store::Image& image,
                                                     const std::map<std::string, ImageUse>& users);

/// Docker's refusal of an image for another platform.
void check_platform(const store::Image& image, const std::string& name,
                    const std::optional<spec::Platform>& wanted);

}  // namespace berth::engine
