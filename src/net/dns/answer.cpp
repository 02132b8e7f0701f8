// SPDX-License-Identifier: Apache-2.0
#include "net/dns/answer.h"

#include <algorithm>
#include <optional>

#include "base/strings.h"

namespace berth::net::dns {

namespace {

/// "_80._tcp.web"
struct ServiceName {
    uint16_t port = 0;
    Protocol protocol = Protocol::tcp;
    std::string_view name;
};

std::optional<ServiceName> parse_service(std::string_view text) {
    size_t first = text.find('.');
    size_t second = first == std::string_view::npos ? first : text.find('.', first + 1);
    if (second == std::string_view::npos || text[0] != '_' || text[first + 1] != '_') return std::nullopt;
    std::string_view service = text.substr(1, first - 1);
    std::string_view protocol = text.substr(first + 2, second - first - 2);
    ServiceName result;
    result.name = text.substr(second + 1);
    if (protocol == "tcp")
        result.protocol = Protocol::tcp;
    else if (protocol == "udp")
        result.protocol = Protocol::udp;
    else if (protocol == "sctp")
        result.protocol = Protocol::sctp;
    else
        return std::nullopt;
    // Ports of containers have numbers, not names; port 0 is none's.
    result.port = parse_number<uint16_t>(service).value_or(0);
    return result;
}

}  // namespace

size_t write_failure(Packet packet, const Query& query, Rcode code, std::span<uint8_t> into) {
    Writer writer(into, kPlainUdpSize);
    writer.begin(packet, query, code);
    return writer.finish();
}

void Answerer::addresses(const View& view, const Query& query, Writer& writer) {
    bool some = false;
    for (Family family : {Family::v4, Family::v6}) {
        if (query.type != kAny && query.type != (family == Family::v4 ? kA : kAaaa)) continue;
        view.addresses(query.name.text(), family, found_);
        for (const IpAddress& address : found_) {
            if (!writer.answer_address(address, ttl_)) return writer.set_truncated();
            some = true;
        }
    }
    if (!some) writer.authority(ttl_);
}

size_t Answerer::services(const View& view, Packet packet, const Query& query, std::span<uint8_t> into,
                          size_t limit) {
    std::optional<ServiceName> service = parse_service(query.name.text());
    if (!service || !view.has(service->name)) return 0;
    view.endpoints(service->name, endpoints_);
    std::pair wanted(service->protocol, service->port);
    std::erase_if(endpoints_, [&](const NetworkNames::Endpoint* endpoint) {
        bool has_port = std::ranges::find(endpoint->ports, wanted) != endpoint->ports.end();
        return !has_port || !is_name(endpoint->name);
    });
    Writer writer(into, limit);
    writer.begin(packet, query, endpoints_.empty() ? Rcode::no_such_name : Rcode::ok);
    if (endpoints_.empty() || (query.type != kSrv && query.type != kAny)) {
        writer.authority(ttl_);
        return writer.finish();
    }
    for (const NetworkNames::Endpoint* endpoint : endpoints_)
        if (!writer.answer_service(service->port, endpoint->name, ttl_)) writer.set_truncated();
    // What does not fit here can be asked for.
    for (const NetworkNames::Endpoint* endpoint : endpoints_)
        for (const IpAddress& address : endpoint->addresses)
            writer.additional_address(endpoint->name, address, ttl_);
    return writer.finish();
}

size_t Answerer::pointer(const View& view, Packet packet, const Query& query, std::span<uint8_t> into,
                         size_t limit) {
    std::optional<IpAddress> address = address_of_reverse_name(query.name.text());
    if (!address) return 0;
    std::string name = view.name_of(*address);
    if (name.empty()) return 0;
    Writer writer(into, limit);
    writer.begin(packet, query, Rcode::ok);
    bool asked = query.type == kPtr || query.type == kAny;
    if (!asked || !writer.answer_pointer(name, ttl_)) writer.authority(ttl_);
    return writer.finish();
}

size_t Answerer::answer(const View& view, Packet packet, const Query& query, std::span<uint8_t> into,
                        size_t limit) {
    std::string_view name = query.name.text();
    if (name.empty() || !query.name.is_plain()) return 0;
    if (view.has(name)) {
        Writer writer(into, limit);
        writer.begin(packet, query, Rcode::ok);
        addresses(view, query, writer);
        return writer.finish();
    }
    if (name[0] == '_') return services(view, packet, query, into, limit);
    if (name.ends_with(".arpa")) return pointer(view, packet, query, into, limit);
    return 0;
}

}  // namespace berth::net::dns
