// SPDX-License-Identifier: Apache-2.0
#include "runtime/resources_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "sys/file.h"

namespace berth::runtime {

namespace {

[[noreturn]] void fail(const Limit& limit, int code) {
    throw errno_error(code, fmt::format("linux.resources.{}: writing {} to {}", limit.field,
                                        quote(limit.value), limit.file));
}

}  // namespace

bool ControllerFiles::has(std::string_view file) const {
    return dir_ && sys::exists(fmt::format("{}/{}", *dir_, file));
}

std::optional<std::string> ControllerFiles::read(std::string_view file) const {
    if (!dir_) return std::nullopt;
    std::optional<std::string> text = sys::try_read_file(fmt::format("{}/{}", *dir_, file));
    return text ? std::optional(std::string(trim(*text))) : std::nullopt;
}

std::optional<uint64_t> ControllerFiles::read_number(std::string_view file) const {
    std::optional<std::string> text = read(file);
    return text ? parse_number<uint64_t>(*text) : std::nullopt;
}

int ControllerFiles::try_write(const Limit& limit) const {
    if (!dir_) return ENOENT;
    UniqueFd fd(::open(fmt::format("{}/{}", *dir_, limit.file).c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) return errno;
    return sys::retry([&] { return ::write(fd.get(), limit.value.data(), limit.value.size()); }) < 0 ? errno
                                                                                                     : 0;
}

void ControllerFiles::warn_missing(const Limit& limit) const {
    if (limit.missing == Missing::ignore) return;
    if (!dir_)
        log::warning("linux.resources.{} is left out: the host has no cgroup controller {}", limit.field,
                     controller_);
    else
        log::warning("linux.resources.{} is left out: the kernel has no {}", limit.field, limit.file);
}

void ControllerFiles::write(const Limit& limit) const {
    int code = try_write(limit);
    if (code == ENOENT) return warn_missing(limit);
    if (code != 0) fail(limit, code);
}

void ControllerFiles::write_together(const std::vector<Limit>& limits) const {
    std::vector<const Limit*> left;
    for (const Limit& limit : limits) left.push_back(&limit);
    while (!left.empty()) {
        std::vector<const Limit*> refused;
        for (const Limit* limit : left) {
            int code = try_write(*limit);
            if (code == ENOENT)
                warn_missing(*limit);
            else if (code == EINVAL)
                refused.push_back(limit);
            else if (code != 0)
                fail(*limit, code);
        }
        if (refused.size() == left.size()) fail(*refused.front(), EINVAL);
        left = std::move(refused);
    }
}

std::string device_value(int64_t major, int64_t minor, uint64_t value) {
    return fmt::format("{}:{} {}", major, minor, value);
}

void check_memory_usage(const spec::MemoryResources& memory, uint64_t usage) {
    if (!memory.checkBeforeUpdate.value_or(false)) return;
    auto check = [usage](std::optional<int64_t> limit, std::string_view field) {
        if (limit && *limit > 0 && static_cast<uint64_t>(*limit) < usage)
            throw make_error(
                ErrorKind::conflict,
                "linux.resources.memory.{}: unable to set memory limit to {}: the container uses {} bytes",
                field, *limit, usage);
    };
    check(memory.limit, "limit");
    check(memory.swap, "swap");
}

std::string usage_text(std::optional<uint64_t> usage, std::optional<uint64_t> peak) {
    if (!usage || !peak) return "";
    return fmt::format(" (current usage: {}, peak usage: {})", *usage, *peak);
}

}  // namespace berth::runtime
