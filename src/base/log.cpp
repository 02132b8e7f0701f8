// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <unistd.h>

#include "base/json.h"
#include "base/strings.h"

namespace berth::log {

namespace {

Sink g_sink;  // written once, at a program's start

std::string_view name(Level level) {
    switch (level) {
        case Level::debug: return "debug";
        case Level::info: return "info";
        case Level::warning: return "warning";
        case Level::error: return "error";
    }
    return "error";
}

}  // namespace

void set_sink(const Sink& sink) {
    g_sink = sink;
}
const Sink& sink() {
    return g_sink;
}

void write(Level level, std::string_view message) noexcept {
    if (level < g_sink.level) return;
    try {
        std::string time = rfc3339(now_ns()).substr(0, 19) + "Z";
        std::string line =
            g_sink.format == Format::json
                ? fmt::format("{{\"level\":\"{}\",\"msg\":{},\"time\":\"{}\"}}\n", name(level),
                              json::print_string(message), time)
                : fmt::format("time=\"{}\" level={} msg={}\n", time, name(level), quote(message));
        [[maybe_unused]] ssize_t written = ::write(g_sink.fd, line.data(), line.size());
    } catch (...) {
    }
}

}  // namespace berth::log
