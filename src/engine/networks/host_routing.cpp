// SPDX-License-Identifier: Apache-2.0
#include "engine/networks/host_routing.h"

#include <fcntl.h>

#include <algorithm>
#include <array>

#include "base/log.h"
#include "base/strings.h"
#include "net/link.h"
#include "sys/file.h"

namespace berth::engine {

using net::Family;

namespace {

constexpr std::array kFamilies = {Family::v4, Family::v6};
constexpr const char* kFile = "routing";

const char* word(Family family) {
    return family == Family::v4 ? "ipv4" : "ipv6";
}

std::string boot_id() {
    return std::string(trim(sys::read_file("/proc/sys/kernel/random/boot_id")));
}

/// The boot's id, then a family a line. An exec root that is on a disk outlives the setting.
std::vector<Family> read_notes(int folder, const std::string& boot) {
    std::vector<Family> noted;
    std::string text = sys::try_read_file_at(folder, kFile).value_or("");
    std::vector<std::string_view> lines = split(text, '\n');
    if (lines.empty() || lines.front() != boot) return noted;
    for (Family family : kFamilies)
        if (std::ranges::count(lines, std::string_view(word(family))) != 0) noted.push_back(family);
    return noted;
}

}  // namespace

std::vector<Family> routed_families(const NetworkRecord& network) {
    std::vector<Family> families;
    if (!network.is_bridge()) return families;
    for (Family family : kFamilies)
        if (network.enables(family)) families.push_back(family);
    return families;
}

std::vector<Family> note_routing(const std::string& exec_root, const std::vector<Family>& needed) {
    UniqueFd folder = sys::open_file(exec_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    std::string boot = boot_id();
    std::vector<Family> noted = read_notes(folder.get(), boot);
    size_t before = noted.size();
    for (Family family : needed)
        if (std::ranges::count(noted, family) == 0 && !net::is_forwarding(family)) noted.push_back(family);
    if (noted.size() == before) return noted;
    std::string text = boot + '\n';
    for (Family family : noted) text += std::string(word(family)) + '\n';
    sys::write_file_atomic_at(folder.get(), kFile, text);
    return noted;
}

void turn_routing_on(const std::vector<Family>& needed) {
    for (Family family : needed)
        if (!net::enable_forwarding(family))
            log::warning("forwarding of {} packets could not be enabled: containers reach this host alone",
                         family == Family::v4 ? "IPv4" : "IPv6");
}

}  // namespace berth::engine
