// SPDX-License-Identifier: Apache-2.0
#include "engine/volumes/volume_record.h"

#include "base/json.h"
#include "base/strings.h"

namespace berth::engine {

BOOST_DESCRIBE_STRUCT(VolumeRecord, (), (version, created_ns, driver, labels, options, project, quota_bytes))

std::string encode_volume_record(const VolumeRecord& record) {
    return json::print(json::encode(record));
}

VolumeRecord decode_volume_record(std::string_view text) {
    return json::decode_text<VolumeRecord>(text);
}

spec::api::Volume volume_view(const Volume& volume) {
    spec::api::Volume view;
    // Seconds, as with Docker.
    view.CreatedAt = rfc3339(volume.created_ns / 1'000'000'000 * 1'000'000'000).substr(0, 19) + "Z";
    view.Driver = volume.driver;
    view.Name = volume.name;
    view.Mountpoint = volume.mountpoint;
    // Null where none were given.
    if (!volume.labels.empty()) view.Labels = volume.labels;
    if (!volume.options.empty()) view.Options = volume.options;
    return view;
}

}  // namespace berth::engine
