// SPDX-License-Identifier: Apache-2.0
#include "engine/system/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace berth::engine {
namespace {

TEST(Metrics, TextFormat) {
    MetricsText text;
    text.begin("a_total", "counter", "What it counts");
    text.sample({{"kind", "x\"y\\z\n"}, {"b", ""}}, 3);
    text.sample({}, 0.25);
    text.single("g", "gauge", "Bytes", 1e12);
    EXPECT_EQ(text.take(),
              "# HELP a_total What it counts\n# TYPE a_total counter\n"
              "a_total{kind=\"x\\\"y\\\\z\\n\",b=\"\"} 3\na_total 0.25\n"
              "# HELP g Bytes\n# TYPE g gauge\ng 1000000000000\n");
}

TEST(Metrics, OfTheProcess) {
    MetricsText text;
    add_process_metrics(text);
    std::string all = text.take();
    for (const char* name :
         {"process_cpu_seconds_total ", "process_open_fds ", "process_resident_memory_bytes ",
          "process_start_time_seconds ", "process_virtual_memory_bytes "})
        EXPECT_THAT(all, testing::HasSubstr(std::string("\n") + name));
    EXPECT_THAT(all, testing::Not(testing::HasSubstr("process_resident_memory_bytes 0\n")));
}

}  // namespace
}  // namespace berth::engine
