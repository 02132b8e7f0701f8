// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"
#include "engine/networks/sandboxes.h"

namespace berth::engine {

BOOST_DESCRIBE_STRUCT(Endpoint, (),
                      (network_id, network_name, driver, id, interface, host_interface, mac, v4, v6, gateway4,
                       gateway6, names, gateway_priority))
BOOST_DESCRIBE_STRUCT(PublishedPort, (), (protocol, container_port, host_address, host_port))
BOOST_DESCRIBE_STRUCT(SandboxRecord, (), (version, id, container_id, endpoints, ports, service, asks_us))

std::string encode_sandbox_record(const SandboxRecord& record) {
    return json::print(json::encode(record));
}

SandboxRecord decode_sandbox_record(std::string_view text) {
    return json::decode<SandboxRecord>(json::parse(text));
}

}  // namespace berth::engine
