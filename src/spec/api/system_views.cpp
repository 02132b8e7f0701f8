// SPDX-License-Identifier: Apache-2.0
#include "spec/api/system_views.h"

namespace berth::spec::api {

using json::Omit;

json::Value encode_version(const Version& version) {
    return json::encode(version, Omit::declared);
}

json::Value encode_info(const Info& info) {
    return json::encode(info, Omit::declared);
}

json::Value encode_disk_usage(const DiskUsage& usage) {
    return json::encode(usage, Omit::declared);
}

json::Value encode_build_cache_prune_report(const BuildCachePruneReport& report) {
    return json::encode(report, Omit::declared);
}

json::Value encode_event(const EventMessage& event) {
    return json::encode(event, Omit::declared);
}

EventMessage decode_event(const json::Value& from) {
    return json::decode<EventMessage>(from);
}

AuthRequest decode_auth_request(const json::Value& from) {
    return json::decode<AuthRequest>(from);
}

json::Value encode_auth_response(const AuthResponse& response) {
    return json::encode(response, Omit::declared);
}

}  // namespace berth::spec::api
