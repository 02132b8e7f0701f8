// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "registry/server/route.h"

namespace berth::registry::server {

/// What one collection did.
struct CollectionResult {
    uint64_t blobs = 0, bytes = 0;
    uint64_t links = 0, manifests = 0, tags = 0, uploads = 0;
};

/// Counters for Prometheus (text exposition format 0.0.4). Of the loop's thread.
class Metrics {
  public:
    void count_request(const std::string& method, RouteKind endpoint, int status, uint64_t bytes_in,
                       uint64_t bytes_out, std::chrono::nanoseconds duration);
    void count_collection(const CollectionResult& result, std::chrono::nanoseconds duration);
    void count_proxy(bool from_cache) { ++(from_cache ? proxy_hits_ : proxy_misses_); }
    void count_denied() { ++denied_; }

    /// What is asked for when the numbers are read.
    struct Gauges {
        uint64_t blobs = 0, blob_bytes = 0, repositories = 0, uploads = 0, connections = 0;
    };
    std::string print(const Gauges& gauges) const;

  private:
    static constexpr std::array<double, 11> kBuckets = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5,
                                                        1,     5,     10,   60,   300};
    struct Durations {
        std::array<uint64_t, kBuckets.size()> buckets{};
        uint64_t count = 0;
        double sum = 0;
    };
    std::map<std::tuple<std::string, RouteKind, int>, uint64_t> requests_;
    std::map<RouteKind, Durations> durations_;
    uint64_t bytes_in_ = 0, bytes_out_ = 0;
    uint64_t collections_ = 0, collected_blobs_ = 0, collected_bytes_ = 0;
    double collection_seconds_ = 0;
    uint64_t proxy_hits_ = 0, proxy_misses_ = 0, denied_ = 0;
};

}  // namespace berth::registry::server
