// SPDX-License-Identifier: Apache-2.0
#include "spec/api/image_views.h"

namespace berth::spec::api {

using json::Omit;

json::Value encode_image_summary(const ImageSummary& image) {
    return json::encode(image, Omit::declared);
}

json::Value encode_image_inspect(const ImageInspect& image) {
    return json::encode(image, Omit::declared);
}

json::Value encode_history(const std::vector<HistoryItem>& history) {
    return json::encode(history, Omit::declared);
}

json::Value encode_image_delete_items(const std::vector<ImageDeleteItem>& items) {
    return json::encode(items, Omit::declared);
}

json::Value encode_images_prune_report(const ImagesPruneReport& report) {
    return json::encode(report, Omit::declared);
}

json::Value encode_distribution_inspect(const DistributionInspect& distribution) {
    return json::encode(distribution, Omit::declared);
}

json::Value encode_image_search_results(const std::vector<ImageSearchResult>& results) {
    return json::encode(results, Omit::declared);
}

}  // namespace berth::spec::api
