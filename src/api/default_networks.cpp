// SPDX-License-Identifier: Apache-2.0
#include "api/default_networks.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/strings.h"

namespace berth::api {

namespace {

std::string date_of(const std::string& folder) {
    struct statx status{};
    if (::statx(AT_FDCWD, folder.c_str(), 0, STATX_BTIME | STATX_MTIME, &status) != 0)
        return std::string(spec::api::kZeroTime);
    const auto& time = (status.stx_mask & STATX_BTIME) ? status.stx_btime : status.stx_mtime;
    return rfc3339(time.tv_sec * 1'000'000'000 + time.tv_nsec);
}

}  // namespace

std::vector<spec::api::Network> default_networks(const std::string& data_root) {
    std::vector<spec::api::Network> networks;
    std::string created = date_of(data_root);
    for (std::string_view name : {"host", "none"}) {
        spec::api::Network network;
        network.Name = name;
        network.Id = std::string(Digest::of(data_root + ' ' + network.Name).hex());
        network.Created = created;
        network.Driver = name == "none" ? "null" : "host";
        network.IPAM.Config.emplace();
        network.Options.emplace();
        network.Labels.emplace();
        networks.push_back(std::move(network));
    }
    return networks;
}

std::string endpoint_id(std::string_view network_id, std::string_view container_id) {
    std::string both(network_id);
    both += container_id;
    return std::string(Digest::of(both).hex());
}

}  // namespace berth::api
