// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "net/dns/message.h"
#include "net/dns/names.h"

namespace berth::net::dns {

/// Answers from what a client sees. Of the stream context; keeps room between answers, so that most of them
/// allocate nothing.
class Answerer {
  public:
    explicit Answerer(uint32_t ttl_s) : ttl_(ttl_s) {}

    /// The answer's size; 0 where the name is none of ours, which another server is to be asked for. A name
    /// of ours is never asked for elsewhere: without a record of the type the answer is empty (NOERROR), so
    /// that stub resolvers that ask for A and AAAA at once don't take it for an unknown name.
    ///
    /// `into`: at least kPlainUdpSize; `limit`: how much the client takes, at least that. An answer that does
    /// not fit has as many records as do, and TC.
    size_t answer(const View& view, Packet packet, const Query& query, std::span<uint8_t> into, size_t limit);

  private:
    void addresses(const View& view, const Query& query, Writer& writer);
    size_t services(const View& view, Packet packet, const Query& query, std::span<uint8_t> into,
                    size_t limit);
    size_t pointer(const View& view, Packet packet, const Query& query, std::span<uint8_t> into,
                   size_t limit);

    uint32_t ttl_;
    std::vector<IpAddress> found_;
    std::vector<const NetworkNames::Endpoint*> endpoints_;
};

/// An answer without records.
size_t write_failure(Packet packet, const Query& query, Rcode code, std::span<uint8_t> into);

}  // namespace berth::net::dns
