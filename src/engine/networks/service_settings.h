// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "net/firewall.h"

namespace berth::engine {

/// What the labels of a create request say of the container's service:
///
///   berth.service                                        its service; counts more than Compose's
///   com.docker.compose.project, com.docker.compose.service   the same of Compose. Its one-off containers
///                                                        (`compose run`) belong to none
///   berth.balance                                        round-robin (default), source, random
///   berth.drain                                          seconds between leaving the map and the stop signal
struct ServiceSettings {
    std::string key;            ///< "project/service", or "/name" of berth.service
    std::string project, name;  ///< project "": of berth.service
    net::Balance balance = net::Balance::round_robin;
    std::chrono::seconds drain{0};
};

/// Those of a create request that say something of this, to be kept with the container: an image's labels
/// (Compose puts its own on what it builds) make no container a replica.
std::map<std::string, std::string> service_labels(const std::map<std::string, std::string>& labels);

/// Nothing where the container belongs to no service. invalid_argument where a value is none of its words.
std::optional<ServiceSettings> service_settings(const std::map<std::string, std::string>& labels);

std::string_view to_string(net::Balance balance);

}  // namespace berth::engine
