// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/router.h"
#include "engine/images/images.h"
#include "spec/api/image_views.h"

namespace berth::api {

/// Of add_image_routes: those that stream.
void add_image_transfer_routes(Router& router);

/// Image answers in the form of an older version.
void shape_image_summary(spec::api::ImageSummary& image, ApiVersion version);
json::Value encode_image_details(engine::ImageDetails details, ApiVersion version);

}  // namespace berth::api
