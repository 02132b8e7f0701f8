// SPDX-License-Identifier: Apache-2.0
#include "engine/networks/views.h"

#include "base/strings.h"

namespace berth::engine {

spec::api::Network network_view(const NetworkRecord& record) {
    spec::api::Network view;
    view.Name = record.name;
    view.Id = record.id;
    view.Created = rfc3339(record.created_ns);
    view.Driver = record.driver;
    view.EnableIPv4 = record.enable_v4;
    view.EnableIPv6 = record.enable_v6;
    view.IPAM.Driver = record.ipam_driver;
    if (!record.is_builtin) view.IPAM.Options = record.ipam_options;
    view.IPAM.Config.emplace();
    for (const NetworkSubnet& subnet : record.subnets) {
        spec::api::IpamPool pool;
        pool.Subnet = subnet.subnet.text();
        if (subnet.range) pool.IPRange = subnet.range->text();
        if (subnet.gateway) pool.Gateway = subnet.gateway->text();
        for (const auto& [name, address] : subnet.auxiliary)
            pool.AuxiliaryAddresses.emplace(name, address.text());
        view.IPAM.Config->push_back(std::move(pool));
    }
    view.Internal = record.is_internal;
    view.Attachable = record.is_attachable;
    view.Ingress = record.is_ingress;
    view.ConfigFrom.Network = record.config_from;
    view.ConfigOnly = record.is_config_only;
    view.Options = record.options;
    view.Labels = record.labels;
    return view;
}

spec::api::NetworkContainer member_view(const NetworkMember& member) {
    spec::api::NetworkContainer view;
    view.Name = member.container_name;
    view.EndpointID = member.endpoint_id;
    if (member.mac != net::MacAddress{}) view.MacAddress = member.mac.text();
    if (member.v4) view.IPv4Address = member.v4->text();
    if (member.v6) view.IPv6Address = member.v6->text();
    return view;
}

void check_list_filters(const spec::api::Filters& filters) {
    filters.validate({"driver", "type", "name", "id", "label", "scope", "dangling"});
    for (const std::string& type : filters.get("type"))
        if (type != "custom" && type != "builtin")
            throw make_error(ErrorKind::invalid_argument, "invalid filter: 'type'='{}'", type);
}

bool is_listed(const NetworkRecord& record, bool is_used, const spec::api::Filters& filters) {
    bool is_dangling = !record.is_builtin && !is_used;
    if (filters.contains("dangling") && filters.flag("dangling", false) != is_dangling) return false;
    return filters.exact("driver", record.driver) && filters.exact("scope", "local") &&
           filters.exact("type", record.is_builtin ? "builtin" : "custom") &&
           filters.pattern("name", record.name) && filters.pattern("id", record.id) &&
           filters.labels("label", record.labels);
}

}  // namespace berth::engine
