// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

/// Prometheus' text format, version 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats).
namespace berth::engine {

class MetricsText {
  public:
    using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

    /// The head of a metric; its samples follow.
    void begin(std::string_view name, std::string_view type, std::string_view help);
    void sample(Labels labels, double value);
    /// A metric with one sample.
    void single(std::string_view name, std::string_view type, std::string_view help, double value);

    std::string take() { return std::move(text_); }

  private:
    std::string name_, text_;
};

/// process_resident_memory_bytes and what else Prometheus' clients tell of themselves.
void add_process_metrics(MetricsText& text);

}  // namespace berth::engine
