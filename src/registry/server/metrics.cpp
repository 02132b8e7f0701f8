// SPDX-License-Identifier: Apache-2.0
#include "registry/server/metrics.h"

#include <fmt/format.h>

namespace berth::registry::server {

namespace {

void head(std::string& text, std::string_view name, std::string_view type, std::string_view help) {
    text += fmt::format("# HELP berth_registry_{0} {1}\n# TYPE berth_registry_{0} {2}\n", name, help, type);
}

template <typename Value>
void single(std::string& text, std::string_view name, std::string_view type, std::string_view help,
            Value value) {
    head(text, name, type, help);
    text += fmt::format("berth_registry_{} {}\n", name, value);
}

/// Clients choose methods; the label must not grow with their fantasy.
bool is_usual(std::string_view method) {
    for (std::string_view usual : {"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"})
        if (method == usual) return true;
    return false;
}

}  // namespace

void Metrics::count_request(const std::string& method, RouteKind endpoint, int status, uint64_t bytes_in,
                            uint64_t bytes_out, std::chrono::nanoseconds duration) {
    ++requests_[{is_usual(method) ? method : "other", endpoint, status}];
    bytes_in_ += bytes_in;
    bytes_out_ += bytes_out;
    double seconds = std::chrono::duration<double>(duration).count();
    Durations& durations = durations_[endpoint];
    for (size_t i = 0; i < kBuckets.size(); ++i)
        if (seconds <= kBuckets[i]) ++durations.buckets[i];
    ++durations.count;
    durations.sum += seconds;
}

void Metrics::count_collection(const CollectionResult& result, std::chrono::nanoseconds duration) {
    ++collections_;
    collected_blobs_ += result.blobs;
    collected_bytes_ += result.bytes;
    collection_seconds_ += std::chrono::duration<double>(duration).count();
}

std::string Metrics::print(const Gauges& gauges) const {
    std::string text;
    head(text, "requests_total", "counter", "Requests by method, endpoint and status.");
    for (const auto& [key, count] : requests_)
        text +=
            fmt::format("berth_registry_requests_total{{method=\"{}\",endpoint=\"{}\",status=\"{}\"}} {}\n",
                        std::get<0>(key), to_string(std::get<1>(key)), std::get<2>(key), count);
    head(text, "request_duration_seconds", "histogram", "From a request's head to the end of its response.");
    for (const auto& [endpoint, durations] : durations_) {
        std::string_view name = to_string(endpoint);
        constexpr std::string_view metric = "berth_registry_request_duration_seconds";
        for (size_t i = 0; i < kBuckets.size(); ++i)
            text += fmt::format("{}_bucket{{endpoint=\"{}\",le=\"{}\"}} {}\n", metric, name, kBuckets[i],
                                durations.buckets[i]);
        text += fmt::format("{}_bucket{{endpoint=\"{}\",le=\"+Inf\"}} {}\n", metric, name, durations.count);
        text += fmt::format("{}_sum{{endpoint=\"{}\"}} {}\n", metric, name, durations.sum);
        text += fmt::format("{}_count{{endpoint=\"{}\"}} {}\n", metric, name, durations.count);
    }
    single(text, "received_bytes_total", "counter", "Bytes of request bodies.", bytes_in_);
    single(text, "sent_bytes_total", "counter", "Bytes of response bodies.", bytes_out_);
    single(text, "denied_total", "counter", "Requests without valid credentials.", denied_);
    single(text, "connections", "gauge", "Open connections.", gauges.connections);
    single(text, "uploads_in_progress", "gauge", "Requests that write to an upload.", gauges.uploads);
    single(text, "repositories", "gauge", "Repositories.", gauges.repositories);
    single(text, "blobs", "gauge", "Blobs on disk.", gauges.blobs);
    single(text, "blob_bytes", "gauge", "Bytes of all blobs on disk.", gauges.blob_bytes);
    single(text, "collections_total", "counter", "Garbage collections.", collections_);
    single(text, "collected_blobs_total", "counter", "Blobs that garbage collection deleted.",
           collected_blobs_);
    single(text, "collected_bytes_total", "counter", "Bytes that garbage collection freed.",
           collected_bytes_);
    single(text, "collection_seconds_total", "counter", "Time spent in garbage collection.",
           collection_seconds_);
    single(text, "proxy_hits_total", "counter", "Requests that the cache answered.", proxy_hits_);
    single(text, "proxy_misses_total", "counter", "Requests that went to the upstream.", proxy_misses_);
    return text;
}

}  // namespace berth::registry::server
