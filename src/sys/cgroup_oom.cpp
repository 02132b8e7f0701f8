// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/strings.h"
#include "sys/cgroup.h"
#include "sys/cgroup_tree.h"
#include "sys/file.h"

namespace berth::sys {

namespace {

/// The number after "key " in a file of such lines.
std::optional<uint64_t> counter(const std::string& file, std::string_view key) {
    std::optional<std::string> text = try_read_file(file);
    if (!text) return std::nullopt;
    for (std::string_view line : split(*text, '\n'))
        if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ' ')
            return parse_number<uint64_t>(line.substr(key.size() + 1));
    return std::nullopt;
}

/// v1 counts a kill only at the victim's own cgroup.
std::optional<uint64_t> sum_v1(const std::string& dir) {
    std::optional<uint64_t> sum = counter(dir + "/memory.oom_control", "oom_kill");
    if (!sum) return sum;
    for (const std::string& child : cgroup_children(dir)) *sum += sum_v1(child).value_or(0);
    return sum;
}

}  // namespace

std::optional<uint64_t> Cgroup::oom_kills() const {
    if (const std::string* dir = v1_dir("memory")) return sum_v1(*dir);
    if (const std::string* dir = unified_dir()) return counter(*dir + "/memory.events", "oom_kill");
    return std::nullopt;
}

std::optional<OomEvents> Cgroup::oom_events() const {
    if (const std::string* dir = v1_dir("memory")) {
        std::string control = *dir + "/memory.oom_control";
        std::optional<UniqueFd> source = try_open_at(AT_FDCWD, control, O_RDONLY);
        if (!source) return std::nullopt;
        UniqueFd event(check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd"));
        write_kernel_file(*dir + "/cgroup.event_control", fmt::format("{} {}", event.get(), source->get()));
        return OomEvents(std::move(event), std::move(control));
    }
    if (const std::string* dir = unified_dir()) {
        std::optional<UniqueFd> events = try_open_at(AT_FDCWD, *dir + "/memory.events", O_RDONLY);
        if (!events) return std::nullopt;
        // Events are told from the first read on.
        (void)read_all(events->get(), "memory.events");
        return OomEvents(std::move(*events), "");
    }
    return std::nullopt;
}

short OomEvents::events() const noexcept {
    return control_.empty() ? POLLPRI : POLLIN;
}

bool OomEvents::drain() {
    if (control_.empty()) {
        char buffer[512];
        return ::pread(fd_.get(), buffer, sizeof buffer, 0) >= 0;
    }
    uint64_t count = 0;
    (void)!::read(fd_.get(), &count, sizeof count);
    // The kernel signals a removal through the same eventfd.
    return ::access(control_.c_str(), F_OK) == 0;
}

}  // namespace berth::sys
