// SPDX-License-Identifier: Apache-2.0
#include "engine/networks/service_settings.h"

#include <array>
#include <utility>

#include "base/error.h"
#include "base/strings.h"

namespace berth::engine {

namespace {

constexpr std::chrono::seconds kLongestDrain{24 * 3600};

constexpr std::array<std::pair<std::string_view, net::Balance>, 3> kBalances{{
    {"round-robin", net::Balance::round_robin},
    {"source", net::Balance::source},
    {"random", net::Balance::random},
}};

std::string label(const std::map<std::string, std::string>& labels, const char* name) {
    auto found = labels.find(name);
    return found == labels.end() ? "" : found->second;
}

net::Balance parse_balance(const std::string& text) {
    for (const auto& [word, balance] : kBalances)
        if (text == word) return balance;
    throw make_error(ErrorKind::invalid_argument,
                     "invalid label berth.balance: {} (round-robin, source or random)", quote(text));
}

std::chrono::seconds parse_drain(const std::string& text) {
    std::string_view digits = text;
    if (digits.ends_with('s')) digits.remove_suffix(1);
    auto seconds = parse_number<uint32_t>(digits);
    if (!seconds || std::chrono::seconds(*seconds) > kLongestDrain)
        throw make_error(ErrorKind::invalid_argument, "invalid label berth.drain: {} (seconds, at most {})",
                         quote(text), kLongestDrain.count());
    return std::chrono::seconds(*seconds);
}

}  // namespace

std::string_view to_string(net::Balance balance) {
    for (const auto& [word, value] : kBalances)
        if (balance == value) return word;
    return "";
}

std::map<std::string, std::string> service_labels(const std::map<std::string, std::string>& labels) {
    std::map<std::string, std::string> own;
    for (const char* name : {"berth.service", "berth.balance", "berth.drain", "com.docker.compose.project",
                             "com.docker.compose.service", "com.docker.compose.oneoff"})
        if (auto found = labels.find(name); found != labels.end()) own.insert(*found);
    return own;
}

std::optional<ServiceSettings> service_settings(const std::map<std::string, std::string>& labels) {
    ServiceSettings settings;
    if (std::string name = label(labels, "berth.service"); !name.empty()) {
        settings.name = std::move(name);
    } else {
        settings.project = label(labels, "com.docker.compose.project");
        settings.name = label(labels, "com.docker.compose.service");
        // `compose run web sh` carries the labels of web, and serves nothing.
        std::string one_off = label(labels, "com.docker.compose.oneoff");
        if (settings.project.empty() || settings.name.empty() || one_off == "True" || one_off == "true")
            return std::nullopt;
    }
    settings.key = settings.project + "/" + settings.name;
    if (std::string text = label(labels, "berth.balance"); !text.empty())
        settings.balance = parse_balance(text);
    if (std::string text = label(labels, "berth.drain"); !text.empty()) settings.drain = parse_drain(text);
    return settings;
}

}  // namespace berth::engine
