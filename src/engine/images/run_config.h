// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "spec/api/container_config.h"
#include "spec/api/image_views.h"
#include "spec/image.h"

/// One and the same in three documents: how a container is run, in an image's configuration, in what the API
/// shows of an image, and in a container's.
namespace berth::engine {

spec::api::ImageRunConfig image_view_of(const spec::ImageRunConfig& config);
/// Without what belongs to one container alone: host name, terminal, streams.
spec::ImageRunConfig run_config_of(const spec::api::ContainerConfig& config);
spec::api::ContainerConfig container_config_of(const spec::ImageRunConfig& config);

}  // namespace berth::engine
