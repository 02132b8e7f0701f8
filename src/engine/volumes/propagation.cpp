// SPDX-License-Identifier: Apache-2.0
#include "engine/volumes/propagation.h"

#include <fcntl.h>

#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "engine/files/beneath.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

/// mountinfo writes blanks, tabs, newlines and backslashes in octal (proc(5)).
std::string unescape(std::string_view text) {
    std::string result;
    for (size_t i = 0; i < text.size(); ++i) {
        std::optional<unsigned> code;
        if (text[i] == '\\') code = parse_number<unsigned>(text.substr(i + 1, 3), 8);
        if (!code) {
            result += text[i];
            continue;
        }
        result += static_cast<char>(*code);
        i += 3;
    }
    return result;
}

}  // namespace

SourceMount source_mount(const std::string& path) {
    UniqueFd fd = sys::open_file(path, O_PATH);
    uint64_t id = mount_id(fd.get());
    std::string info = sys::read_file("/proc/self/mountinfo");
    for (std::string_view line : split(info, '\n')) {
        std::vector<std::string_view> fields = split_fields(line);
        // id parent device root point options [shared:n] [master:n] … - type source options
        if (fields.size() < 7 || parse_number<uint64_t>(fields[0]) != id) continue;
        SourceMount mount{.point = unescape(fields[4])};
        for (size_t i = 6; i < fields.size() && fields[i] != "-"; ++i) {
            mount.is_shared = mount.is_shared || fields[i].starts_with("shared:");
            mount.is_slave = mount.is_slave || fields[i].starts_with("master:");
        }
        return mount;
    }
    throw make_error(ErrorKind::internal, "the mount of {} is not in /proc/self/mountinfo", path);
}

void check_propagation(const std::string& path, std::string_view propagation) {
    bool wants_shared = propagation.ends_with("shared"), wants_slave = propagation.ends_with("slave");
    if (!wants_shared && !wants_slave) return;
    SourceMount mount = source_mount(path);
    if (mount.is_shared || (wants_slave && mount.is_slave)) return;
    throw make_error(ErrorKind::invalid_argument, "path {} is mounted on {} but it is not a {} mount", path,
                     mount.point, wants_shared ? "shared" : "shared or slave");
}

}  // namespace berth::engine
