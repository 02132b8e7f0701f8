// SPDX-License-Identifier: Apache-2.0
#include "net/address_pools.h"

#include <algorithm>

#include "base/digest.h"
#include "base/error.h"

namespace berth::net {
namespace {

PoolSetting pool(std::string_view base, unsigned size) {
    return {*Prefix::parse(base), size};
}

/// fdXX:XXXX:XXXX::/48 (RFC 4193, 3.2.2): the 40 bits of the global id follow from the machine.
Prefix unique_local_prefix(std::string_view machine_id) {
    std::string digest(Digest::of(std::string("berth networks ") + std::string(machine_id)).hex());
    std::string text = "fd";
    for (size_t at = 0; at < 10; at++) {
        text += digest[at];
        if (at == 1 || at == 5) text += ':';
    }
    return *Prefix::parse(text + "::/48");
}

/// The first of `lists` that overlaps.
const Prefix* overlapping(const Prefix& subnet, const std::vector<Prefix>& taken,
                          const std::vector<Prefix>& routes) {
    for (const std::vector<Prefix>* list : {&taken, &routes})
        for (const Prefix& one : *list)
            if (one.length > 0 && one.address.family == subnet.address.family && one.overlaps(subnet))
                return &one;
    return nullptr;
}

/// Past each obstacle at once: a base may hold more subnets than can be looked at one by one.
std::optional<Prefix> first_free(const PoolSetting& pool, const std::vector<Prefix>& taken,
                                 const std::vector<Prefix>& routes) {
    Prefix base = pool.base.network();
    if (pool.size < base.length || pool.size > base.address.bits()) return std::nullopt;
    Prefix subnet{base.address, pool.size};
    while (base.contains(subnet)) {
        const Prefix* obstacle = overlapping(subnet, taken, routes);
        if (!obstacle) return subnet;
        std::optional<IpAddress> next = std::max(subnet.last(), obstacle->last()).plus(1);
        if (!next) return std::nullopt;
        subnet.address = *next;
    }
    return std::nullopt;
}

bool has_edges(const Prefix& subnet) {
    // RFC 3021: both addresses of a /31 are hosts'.
    return subnet.length + 1 < subnet.address.bits();
}

}  // namespace

std::vector<PoolSetting> default_pools(std::string_view machine_id) {
    return {pool("172.17.0.0/16", 16),  pool("172.18.0.0/16", 16),
            pool("172.19.0.0/16", 16),  pool("172.20.0.0/14", 16),
            pool("172.24.0.0/14", 16),  pool("172.28.0.0/14", 16),
            pool("192.168.0.0/16", 20), {unique_local_prefix(machine_id), 64}};
}

Prefix choose_subnet(Family family, const std::vector<PoolSetting>& pools, const std::vector<Prefix>& taken,
                     const std::vector<Prefix>& routes) {
    for (const PoolSetting& pool : pools) {
        if (pool.base.address.family != family) continue;
        if (std::optional<Prefix> subnet = first_free(pool, taken, routes)) return *subnet;
    }
    throw Error(ErrorKind::unavailable,
                "all predefined address pools have been fully subnetted: remove networks that nobody uses "
                "(network prune), name a subnet (--subnet), or give the daemon more "
                "(--default-address-pool base=10.0.0.0/8,size=24)");
}

AddressPool::AddressPool(Prefix subnet, std::optional<Prefix> range)
    : subnet_(subnet.network()), range_(range ? std::optional(range->network()) : std::nullopt) {
    const Prefix& part = range_ ? *range_ : subnet_;
    // So that the first one given is the range's first.
    last_ = part.last();
    bool is_v4 = subnet_.address.is_v4();
    if (has_edges(subnet_)) {
        taken_.insert(subnet_.first());
        edges_++;
        if (is_v4) {
            taken_.insert(subnet_.last());
            edges_++;
        }
    }
}

IpAddress AddressPool::take(std::optional<IpAddress> wanted, std::string_view network_name) {
    if (wanted) {
        if (!subnet_.contains(*wanted))
            throw make_error(ErrorKind::invalid_argument,
                             "requested address is out of range: {} is not in {}", wanted->text(),
                             subnet_.text());
        if (!taken_.insert(*wanted).second) throw Error(ErrorKind::forbidden, "Address already in use");
        return *wanted;
    }
    const Prefix& part = range_ ? *range_ : subnet_;
    IpAddress address = last_;
    // One step more than there are taken ones finds a free one, if there is one.
    uint64_t steps = std::min<uint64_t>(part.size(), taken_.size() + 1);
    for (uint64_t step = 0; step < steps; step++) {
        std::optional<IpAddress> next = address == part.last() ? part.first() : address.plus(1);
        address = *next;
        if (!taken_.insert(address).second) continue;
        last_ = address;
        return address;
    }
    throw make_error(ErrorKind::unavailable, "no available {} addresses on this network's address pools: {}",
                     subnet_.address.is_v4() ? "IPv4" : "IPv6", network_name);
}

bool AddressPool::reserve(const IpAddress& address) {
    return subnet_.contains(address) && taken_.insert(address).second;
}

void AddressPool::release(const IpAddress& address) {
    bool is_edge =
        has_edges(subnet_) && (address == subnet_.first() || (address.is_v4() && address == subnet_.last()));
    if (!is_edge) taken_.erase(address);
}

}  // namespace berth::net
