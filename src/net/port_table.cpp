// SPDX-License-Identifier: Apache-2.0
#include "net/port_table.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>

#include "base/error.h"
#include "base/strings.h"
#include "sys/file.h"

namespace berth::net {

namespace {

using Range = std::pair<uint16_t, uint16_t>;

/// Linux's own default.
constexpr Range kDefaultEphemeral{32768, 60999};
constexpr size_t kShortId = 12;

Range kernel_ephemeral() {
    std::optional<std::string> text = sys::try_read_file("/proc/sys/net/ipv4/ip_local_port_range");
    if (!text) return kDefaultEphemeral;
    std::vector<std::string_view> ends = split_fields(*text);
    if (ends.size() != 2) return kDefaultEphemeral;
    auto first = parse_number<uint16_t>(ends[0]);
    auto last = parse_number<uint16_t>(ends[1]);
    if (!first || !last || *first == 0 || *first > *last) return kDefaultEphemeral;
    return {*first, *last};
}

bool overlap(const IpAddress& one, const IpAddress& other) {
    if (one.family != other.family) return false;
    return one == other || one.is_unspecified() || other.is_unspecified();
}

struct Taken {
    IpAddress address;
    PortTable::Owner owner;
};

Error conflict(const PortTable::Owner& owner, const std::string& problem) {
    return make_error(ErrorKind::conflict,
                      "driver failed programming external connectivity on endpoint {} ({}): {}",
                      owner.container_name, owner.container_id, problem);
}

}  // namespace

struct PortTable::State {
    explicit State(Range range) : ephemeral(range) { last_given.fill(range.second); }

    static uint32_t key(Protocol protocol, uint16_t port) {
        return uint32_t{static_cast<uint8_t>(protocol)} << 16 | port;
    }
    /// Who is in the way of `owner`, which may share if that is allowed.
    const Taken* in_the_way(Protocol protocol, const std::vector<IpAddress>& addresses, uint16_t port,
                            const Owner& owner, bool may_share) const {
        auto found = by_port.find(key(protocol, port));
        if (found == by_port.end()) return nullptr;
        for (const Taken& taken : found->second) {
            bool same_service = may_share && !owner.service.empty() && taken.owner.service == owner.service &&
                                taken.owner.container_id != owner.container_id;
            for (const IpAddress& address : addresses)
                if (overlap(taken.address, address) && !(same_service && taken.address == address))
                    return &taken;
        }
        return nullptr;
    }
    void add(Protocol protocol, const std::vector<IpAddress>& addresses, uint16_t port, const Owner& owner) {
        std::vector<Taken>& taken = by_port[key(protocol, port)];
        for (const IpAddress& address : addresses) taken.push_back({address, owner});
    }
    /// The first free one from `start` on, round the end of `range`.
    std::optional<uint16_t> first_free(Protocol protocol, const std::vector<IpAddress>& addresses,
                                       Range range, uint16_t start, const std::set<uint16_t>& skip,
                                       const Owner& owner) const {
        uint32_t count = uint32_t{range.second} - range.first + 1;
        uint32_t offset = uint32_t{start} - range.first;
        for (uint32_t i = 0; i < count; ++i) {
            auto port = static_cast<uint16_t>(range.first + (offset + i) % count);
            if (!skip.contains(port) && in_the_way(protocol, addresses, port, owner, false) == nullptr)
                return port;
        }
        return std::nullopt;
    }

    Range ephemeral;
    std::array<uint16_t, 3> last_given{};  ///< by protocol
    std::unordered_map<uint32_t, std::vector<Taken>> by_port;
};

PortTable::PortTable() : PortTable(kernel_ephemeral()) {}
PortTable::PortTable(Range ephemeral) : state_(std::make_unique<State>(ephemeral)) {}
PortTable::~PortTable() = default;

uint16_t PortTable::take(Protocol protocol, const std::vector<IpAddress>& addresses, Range range,
                         const Owner& owner, const std::set<uint16_t>& skip) {
    State& state = *state_;
    bool any = range.second == 0;
    if (!any && range.first == range.second) {
        const Taken* other = state.in_the_way(protocol, addresses, range.first, owner, true);
        if (other != nullptr)
            throw conflict(owner, fmt::format("Bind for {}:{} failed: port is already allocated (by "
                                              "container {}, {})",
                                              other->address.text(), range.first, other->owner.container_name,
                                              other->owner.container_id.substr(0, kShortId)));
        state.add(protocol, addresses, range.first, owner);
        return range.first;
    }
    if (any) range = state.ephemeral;
    if (range.first == 0 || range.first > range.second)
        throw make_error(ErrorKind::invalid_argument, "invalid range of ports: {}-{}", range.first,
                         range.second);
    uint16_t& last = state.last_given[static_cast<size_t>(protocol)];
    uint16_t start = !any || last >= range.second ? range.first : static_cast<uint16_t>(last + 1);
    std::optional<uint16_t> port = state.first_free(protocol, addresses, range, start, skip, owner);
    if (!port)
        throw conflict(
            owner, fmt::format("Bind for {}:{}-{} failed: all ports are allocated",
                               addresses.empty() ? "" : addresses.front().text(), range.first, range.second));
    if (any) last = *port;
    state.add(protocol, addresses, *port, owner);
    return *port;
}

void PortTable::release(Protocol protocol, const IpAddress& address, uint16_t port,
                        const std::string& container_id) {
    auto found = state_->by_port.find(State::key(protocol, port));
    if (found == state_->by_port.end()) return;
    std::vector<Taken>& taken = found->second;
    auto its = std::ranges::find_if(taken, [&](const Taken& one) {
        return one.address == address && one.owner.container_id == container_id;
    });
    if (its != taken.end()) taken.erase(its);
    if (taken.empty()) state_->by_port.erase(found);
}

void PortTable::rename(const std::string& container_id, const std::string& name) {
    for (auto& [key, taken] : state_->by_port)
        for (Taken& one : taken)
            if (one.owner.container_id == container_id) one.owner.container_name = name;
}

size_t PortTable::holders(Protocol protocol, const IpAddress& address, uint16_t port) const {
    auto found = state_->by_port.find(State::key(protocol, port));
    if (found == state_->by_port.end()) return 0;
    return static_cast<size_t>(
        std::ranges::count_if(found->second, [&](const Taken& one) { return one.address == address; }));
}

}  // namespace berth::net
