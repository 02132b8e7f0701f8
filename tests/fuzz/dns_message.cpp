// SPDX-License-Identifier: Apache-2.0
// A DNS packet as a container sends it, answered from names; and as another server's answer.
#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "net/dns/answer.h"
#include "net/dns/message.h"
#include "net/dns/names.h"
#include "tests/fuzz/property.h"

using namespace berth;
using namespace berth::net;
using fuzz::require;

namespace {

constexpr size_t kRoom = 4096;

dns::View make_view() {
    dns::View view;
    auto network = std::make_shared<dns::NetworkNames>();
    network->set_name("net");
    // Enough of them that not all fit, with names that are as long as they may be.
    for (int i = 0; i < 40; ++i) {
        DnsEndpoint endpoint;
        endpoint.id = std::to_string(i);
        endpoint.names = {"a" + endpoint.id + "." + std::string(63, 'x'), "web",
                          "a." + std::string(240, 'y')};
        endpoint.addresses = {*IpAddress::parse("10.0.0." + endpoint.id),
                              *IpAddress::parse("fd00::" + endpoint.id)};
        endpoint.ports = {{Protocol::tcp, 80}};
        network->add(std::move(endpoint));
    }
    view.networks.push_back(std::move(network));
    view.own_names.emplace_back("db", std::vector{*IpAddress::parse("10.0.0.7")});
    return view;
}

/// Every name and record can be read, and nothing comes after them.
void check_answer(dns::Packet answer, const dns::Query& query) {
    require(answer.size() >= dns::kHeaderSize, "an answer has a header");
    require(dns::get16(answer, 0) == query.id, "an answer has the query's id");
    require((dns::get16(answer, 2) & dns::kResponse) != 0, "an answer is a response");
    size_t at = dns::kHeaderSize;
    if (dns::get16(answer, 4) != 0) {
        require(dns::read_name(answer, at, nullptr), "the question's name can be read");
        at += 4;
    }
    require(at <= answer.size(), "the question is whole");
    size_t records = size_t{dns::get16(answer, 6)} + dns::get16(answer, 8) + dns::get16(answer, 10);
    for (; records > 0; --records) {
        require(dns::read_name(answer, at, nullptr) && answer.size() - at >= 10, "a record is whole");
        uint16_t type = dns::get16(answer, at);
        size_t length = dns::get16(answer, at + 8);
        at += 10;
        require(answer.size() - at >= length, "a record's data is whole");
        size_t name = at + (type == dns::kSrv ? 6 : 0);
        if (type == dns::kSrv || type == dns::kPtr)
            require(dns::read_name(answer, name, nullptr) && name == at + length, "a name is its data");
        at += length;
    }
    require(at == answer.size(), "nothing comes after the records");
}

void check_query(dns::Packet packet) {
    static const dns::View view = make_view();
    static dns::Answerer answerer(5);
    dns::Query query;
    std::optional<dns::Rcode> code = dns::parse_query(packet, query);
    if (!code) return;
    std::vector<uint8_t> room(kRoom);
    size_t size = 0, limit = std::min<size_t>(query.udp_size, kRoom);
    if (*code == dns::Rcode::ok)
        size = answerer.answer(view, packet, query, room, limit);
    else
        size = dns::write_failure(packet, query, *code, room);
    require(size <= limit, "the answer is no longer than the client takes");
    if (size != 0) check_answer(dns::Packet(room).first(size), query);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    dns::Packet packet(data, size);
    check_query(packet);
    dns::Name name;
    for (size_t begin : {size_t{0}, dns::kHeaderSize, size / 2}) {
        size_t at = begin;
        if (begin <= size && dns::read_name(packet, at, &name))
            require(at <= size && name.text().size() <= dns::kMaxNameSize, "a name lies in its packet");
    }
    // The first half as a question, the second as what came back.
    dns::Query query;
    dns::Packet asked = packet.first(size / 2), answer = packet.subspan(size / 2);
    if (dns::parse_query(asked, query) == dns::Rcode::ok)
        dns::answers(answer, asked, query.question_end, query.id);
    if (std::optional<IpAddress> address = dns::address_of_reverse_name(fuzz::as_text(data, size)))
        require(dns::address_of_reverse_name(address->reverse_name()) == address, "reverse names are exact");
    return 0;
}
