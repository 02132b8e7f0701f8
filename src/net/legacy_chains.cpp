// SPDX-License-Identifier: Apache-2.0
// iptables-legacy: its tables belong to another part of the kernel, which has no messages about changes. Only
// the program itself speaks to it, and it is run only where those tables are in use: asking would make them.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "net/other_chains.h"
#include "sys/file.h"
#include "sys/process.h"

namespace berth::net {
namespace {

/// Their files in /proc/net are those of the thread's namespace.
struct Kind {
    const char* family;
    const char* names;  ///< the kernel's list of tables in use
    const char* program;
};
constexpr Kind kKinds[] = {{"ip", "/proc/thread-self/net/ip_tables_names", "iptables-legacy"},
                           {"ip6", "/proc/thread-self/net/ip6_tables_names", "ip6tables-legacy"}};

bool has_filter_table(const Kind& kind) {
    auto names = sys::try_read_file(kind.names);
    if (!names) return false;
    std::vector<std::string_view> words = split_fields(*names);
    return std::find(words.begin(), words.end(), "filter") != words.end();
}

/// Output and whether it went well. Nothing where the program is not installed.
std::optional<std::pair<bool, std::string>> call(const Kind& kind, std::vector<std::string> arguments) {
    for (const char* folder : {"/usr/sbin/", "/sbin/"}) {
        std::string path = std::string(folder) + kind.program;
        if (::access(path.c_str(), X_OK) != 0) continue;
        sys::SpawnOptions options;
        options.path = path;
        options.argv = {kind.program, "-w", "2"};
        options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
        auto done = sys::run(std::move(options), "", std::chrono::seconds(5));
        return std::pair(done.status.code == 0, std::move(done.output));
    }
    return std::nullopt;
}

struct Judged {
    bool drops = false, has_jump = false;
};

Judged judge(std::string_view rules, const std::string& name) {
    Judged result;
    bool is_open = true;
    for (std::string_view line : split(rules, '\n')) {
        if (line == "-P FORWARD DROP") result.drops = true;
        if (line.starts_with("-A FORWARD ") && line.ends_with(" -j " + name)) result.has_jump = true;
        if (!is_open) continue;
        if (line.starts_with("-A FORWARD -j DROP") || line.starts_with("-A FORWARD -j REJECT"))
            result.drops = true;
        if (line.starts_with("-A FORWARD -j ACCEPT")) is_open = result.drops = false;
    }
    return result;
}

void must(const Kind& kind, std::vector<std::string> arguments) {
    auto result = call(kind, std::move(arguments));
    if (result && !result->first)
        throw make_error(ErrorKind::internal, "{}: {}", kind.program, trim(result->second));
}

void accept(const Kind& kind, const std::string& name, bool has_jump,
            const std::vector<std::string>& bridges) {
    call(kind, {"-N", name});
    must(kind, {"-F", name});
    for (const auto& bridge : bridges) must(kind, {"-A", name, "-o", bridge, "-j", "ACCEPT"});
    for (const auto& bridge : bridges_of_engines(bridges))
        must(kind, {"-A", name, "-o", bridge, "-j", "RETURN"});
    for (const auto& bridge : bridges) must(kind, {"-A", name, "-i", bridge, "-j", "ACCEPT"});
    if (!has_jump) must(kind, {"-I", "FORWARD", "-m", "comment", "--comment", name, "-j", name});
}

void take_out(const Kind& kind, const std::string& name) {
    must(kind, {"-D", "FORWARD", "-m", "comment", "--comment", name, "-j", name});
    must(kind, {"-F", name});
    must(kind, {"-X", name});
}

}  // namespace

void LegacyChains::update(const std::vector<std::string>& bridges) {
    std::string name = "berth-" + options_.tag;
    for (const auto& kind : kKinds) {
        if (!(kind.family == std::string_view("ip") ? options_.enable4 : options_.enable6)) continue;
        if (!has_filter_table(kind)) continue;
        try {
            auto rules = call(kind, {"-S", "FORWARD"});
            if (!rules && !warned_) {
                warned_ = true;
                log::warning(
                    "rules of {} are in use, but the program is not installed: whether they let "
                    "containers' packets pass is not known",
                    kind.program);
            }
            if (!rules || !rules->first) continue;
            Judged judged = judge(rules->second, name);
            if (judged.drops && options_.accept_in_others && !bridges.empty())
                accept(kind, name, judged.has_jump, bridges);
            else if (judged.has_jump)
                take_out(kind, name);
            else if (judged.drops && !bridges.empty() && !std::exchange(warned_, true))
                log::warning(
                    "the chain FORWARD of {} drops what is forwarded, and rules in others' chains are "
                    "switched off: containers have no network until it accepts their bridges",
                    kind.program);
        } catch (const Error& error) {
            if (!std::exchange(warned_, true)) log::warning("{}", error.what());
        }
    }
}

std::vector<Firewall::OtherChain> LegacyChains::list() {
    std::vector<Firewall::OtherChain> result;
    for (const auto& kind : kKinds) {
        if (!has_filter_table(kind)) continue;
        auto rules = call(kind, {"-S", "FORWARD"});
        if (!rules || !rules->first) continue;
        Judged judged = judge(rules->second, "berth-" + options_.tag);
        if (judged.drops)
            result.push_back({fmt::format("{} (legacy)", kind.family), "filter", "FORWARD", judged.has_jump});
    }
    return result;
}

}  // namespace berth::net
