// SPDX-License-Identifier: Apache-2.0
#include "spec/api/network_views.h"
#include "spec/api/volume_views.h"

namespace berth::spec::api {

using json::Omit;

VolumeCreateRequest decode_volume_create_request(const json::Value& from) {
    return json::decode<VolumeCreateRequest>(from);
}

json::Value encode_volume(const Volume& volume) {
    return json::encode(volume, Omit::declared);
}

json::Value encode_volume_list(const VolumeListResponse& list) {
    return json::encode(list, Omit::declared);
}

json::Value encode_volumes_prune_report(const VolumesPruneReport& report) {
    return json::encode(report, Omit::declared);
}

NetworkCreateRequest decode_network_create_request(const json::Value& from) {
    return json::decode<NetworkCreateRequest>(from);
}

NetworkConnectRequest decode_network_connect_request(const json::Value& from) {
    return json::decode<NetworkConnectRequest>(from);
}

NetworkDisconnectRequest decode_network_disconnect_request(const json::Value& from) {
    return json::decode<NetworkDisconnectRequest>(from);
}

json::Value encode_network_create_response(const NetworkCreateResponse& response) {
    return json::encode(response, Omit::declared);
}

json::Value encode_networks_prune_report(const NetworksPruneReport& report) {
    return json::encode(report, Omit::declared);
}

json::Value encode_network(const Network& network) {
    return json::encode(network, Omit::declared);
}

}  // namespace berth::spec::api
