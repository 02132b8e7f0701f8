// SPDX-License-Identifier: Apache-2.0
#include "runtime/mount_options.h"

#include <linux/mount.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/strings.h"
#include "runtime/validate.h"

namespace berth::runtime {

namespace {

enum class Kind {
    nothing,
    attr_set,  ///< value: MOUNT_ATTR_*
    attr_clear,
    atime_set,    ///< value: the mode in MOUNT_ATTR__ATIME
    atime_clear,  ///< value: back to the default (relatime) if this mode was in force
    rec_attr_set,
    rec_attr_clear,
    rec_atime_set,
    rec_atime_clear,
    propagation,  ///< value: MS_*, with MS_REC if recursive
    superblock,
    superblock_try,  ///< as superblock, but only some file systems have it
    bind,
    rbind,
    remount,
    copy_up,
    no_copy_up,
    idmap,
    ridmap,
};

struct Option {
    std::string_view name;
    Kind kind;
    uint64_t value = 0;
};

// Sorted by name. nostrictatime and the like are no modes of their own: the kernel's default is relatime.
// silent and loud speak about messages that no file system of a container prints; fsconfig(2) has no word for
// them.
constexpr Option kOptions[] = {
    {"acl", Kind::superblock_try},
    {"async", Kind::superblock},
    {"atime", Kind::atime_clear, MOUNT_ATTR_NOATIME},
    {"bind", Kind::bind},
    {"defaults", Kind::nothing},
    {"dev", Kind::attr_clear, MOUNT_ATTR_NODEV},
    {"diratime", Kind::attr_clear, MOUNT_ATTR_NODIRATIME},
    {"dirsync", Kind::superblock},
    {"exec", Kind::attr_clear, MOUNT_ATTR_NOEXEC},
    {"idmap", Kind::idmap},
    {"iversion", Kind::superblock_try},
    {"lazytime", Kind::superblock},
    {"loud", Kind::nothing},
    {"mand", Kind::superblock},
    {"noacl", Kind::superblock_try},
    {"noatime", Kind::atime_set, MOUNT_ATTR_NOATIME},
    {"nodev", Kind::attr_set, MOUNT_ATTR_NODEV},
    {"nodiratime", Kind::attr_set, MOUNT_ATTR_NODIRATIME},
    {"noexec", Kind::attr_set, MOUNT_ATTR_NOEXEC},
    {"noiversion", Kind::superblock_try},
    {"nolazytime", Kind::superblock},
    {"nomand", Kind::superblock},
    {"norelatime", Kind::nothing},
    {"nostrictatime", Kind::atime_clear, MOUNT_ATTR_STRICTATIME},
    {"nosuid", Kind::attr_set, MOUNT_ATTR_NOSUID},
    {"nosymfollow", Kind::attr_set, MOUNT_ATTR_NOSYMFOLLOW},
    {"notmpcopyup", Kind::no_copy_up},
    {"private", Kind::propagation, MS_PRIVATE},
    {"ratime", Kind::rec_atime_clear, MOUNT_ATTR_NOATIME},
    {"rbind", Kind::rbind},
    {"rdev", Kind::rec_attr_clear, MOUNT_ATTR_NODEV},
    {"rdiratime", Kind::rec_attr_clear, MOUNT_ATTR_NODIRATIME},
    {"relatime", Kind::atime_set, MOUNT_ATTR_RELATIME},
    {"remount", Kind::remount},
    {"rexec", Kind::rec_attr_clear, MOUNT_ATTR_NOEXEC},
    {"ridmap", Kind::ridmap},
    {"rnoatime", Kind::rec_atime_set, MOUNT_ATTR_NOATIME},
    {"rnodev", Kind::rec_attr_set, MOUNT_ATTR_NODEV},
    {"rnodiratime", Kind::rec_attr_set, MOUNT_ATTR_NODIRATIME},
    {"rnoexec", Kind::rec_attr_set, MOUNT_ATTR_NOEXEC},
    {"rnorelatime", Kind::nothing},
    {"rnostrictatime", Kind::rec_atime_clear, MOUNT_ATTR_STRICTATIME},
    {"rnosuid", Kind::rec_attr_set, MOUNT_ATTR_NOSUID},
    {"rnosymfollow", Kind::rec_attr_set, MOUNT_ATTR_NOSYMFOLLOW},
    {"ro", Kind::attr_set, MOUNT_ATTR_RDONLY},
    {"rprivate", Kind::propagation, MS_PRIVATE | MS_REC},
    {"rrelatime", Kind::rec_atime_set, MOUNT_ATTR_RELATIME},
    {"rro", Kind::rec_attr_set, MOUNT_ATTR_RDONLY},
    {"rrw", Kind::rec_attr_clear, MOUNT_ATTR_RDONLY},
    {"rshared", Kind::propagation, MS_SHARED | MS_REC},
    {"rslave", Kind::propagation, MS_SLAVE | MS_REC},
    {"rstrictatime", Kind::rec_atime_set, MOUNT_ATTR_STRICTATIME},
    {"rsuid", Kind::rec_attr_clear, MOUNT_ATTR_NOSUID},
    {"rsymfollow", Kind::rec_attr_clear, MOUNT_ATTR_NOSYMFOLLOW},
    {"runbindable", Kind::propagation, MS_UNBINDABLE | MS_REC},
    {"rw", Kind::attr_clear, MOUNT_ATTR_RDONLY},
    {"shared", Kind::propagation, MS_SHARED},
    {"silent", Kind::nothing},
    {"slave", Kind::propagation, MS_SLAVE},
    {"strictatime", Kind::atime_set, MOUNT_ATTR_STRICTATIME},
    {"suid", Kind::attr_clear, MOUNT_ATTR_NOSUID},
    {"symfollow", Kind::attr_clear, MOUNT_ATTR_NOSYMFOLLOW},
    {"sync", Kind::superblock},
    {"tmpcopyup", Kind::copy_up},
    {"unbindable", Kind::propagation, MS_UNBINDABLE},
};
static_assert(std::ranges::is_sorted(kOptions, {}, &Option::name));

constexpr auto kOptionNames = [] {
    std::array<std::string_view, std::size(kOptions)> names;
    std::ranges::transform(kOptions, names.begin(), &Option::name);
    return names;
}();

const Option* find_option(std::string_view name) {
    auto found = std::ranges::lower_bound(kOptions, name, {}, &Option::name);
    return found != std::end(kOptions) && found->name == name ? found : nullptr;
}

void set_bits(uint64_t& set, uint64_t& clear, uint64_t bits) {
    set |= bits;
    clear &= ~bits;
}

void set_atime(uint64_t& set, uint64_t& clear, uint64_t mode) {
    set = (set & ~uint64_t{MOUNT_ATTR__ATIME}) | mode;
    clear |= MOUNT_ATTR__ATIME;
}

/// "strictatime,atime" stays strictatime: atime only takes back noatime.
void clear_atime(uint64_t& set, uint64_t& clear, uint64_t mode) {
    bool other_mode_chosen = (clear & MOUNT_ATTR__ATIME) != 0 && (set & MOUNT_ATTR__ATIME) != mode;
    if (!other_mode_chosen) set_atime(set, clear, MOUNT_ATTR_RELATIME);
}

void apply(MountOptions& into, const Option& option) {
    switch (option.kind) {
        case Kind::nothing: break;
        case Kind::attr_set: set_bits(into.attr_set, into.attr_clr, option.value); break;
        case Kind::attr_clear: set_bits(into.attr_clr, into.attr_set, option.value); break;
        case Kind::atime_set: set_atime(into.attr_set, into.attr_clr, option.value); break;
        case Kind::atime_clear: clear_atime(into.attr_set, into.attr_clr, option.value); break;
        case Kind::rec_attr_set: set_bits(into.rec_attr_set, into.rec_attr_clr, option.value); break;
        case Kind::rec_attr_clear: set_bits(into.rec_attr_clr, into.rec_attr_set, option.value); break;
        case Kind::rec_atime_set: set_atime(into.rec_attr_set, into.rec_attr_clr, option.value); break;
        case Kind::rec_atime_clear: clear_atime(into.rec_attr_set, into.rec_attr_clr, option.value); break;
        case Kind::propagation:
            into.propagation.push_back({option.value & ~uint64_t{MS_REC}, (option.value & MS_REC) != 0});
            break;
        case Kind::superblock: into.superblock_flags.push_back({option.name, true}); break;
        case Kind::superblock_try: into.superblock_flags.push_back({option.name, false}); break;
        case Kind::bind: into.bind = true; break;
        case Kind::rbind: into.bind = into.recursive_bind = true; break;
        case Kind::remount: into.remount = true; break;
        case Kind::copy_up: into.copy_up = true; break;
        case Kind::no_copy_up: into.copy_up = false; break;
        case Kind::idmap: into.idmap = true; break;
        case Kind::ridmap: into.idmap = into.rec_idmap = true; break;
    }
}

/// At commas, as mount(2)'s option string is, but not within quotes (SELinux categories: context="…:c1,c2")
/// and not after a backslash (overlayfs).
std::vector<std::string_view> split_option(std::string_view text) {
    std::vector<std::string_view> parts;
    bool quoted = false;
    size_t start = 0;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\') {
            ++i;
        } else if (text[i] == '"') {
            quoted = !quoted;
        } else if (text[i] == ',' && !quoted) {
            parts.push_back(text.substr(start, i - start));
            start = i + 1;
        }
    }
    parts.push_back(text.substr(start));
    return parts;
}

void add_data(MountOptions& into, std::string_view text) {
    size_t equals = text.find('=');
    if (equals == std::string_view::npos) {
        into.data.emplace_back(text, std::nullopt);
        return;
    }
    std::string_view key = text.substr(0, equals);
    std::string_view value = text.substr(equals + 1);
    // mount(2) takes the quotes away, fsconfig(2) doesn't.
    if (key.ends_with("context") && value.size() >= 2 && value.starts_with('"') && value.ends_with('"'))
        value = value.substr(1, value.size() - 2);
    into.data.emplace_back(key, value);
}

void check(const MountOptions& options, const spec::Mount& mount, std::string_view field) {
    if (mount.uidMappings.empty() != mount.gidMappings.empty())
        fail_field(fmt::format("{}.{}", field, mount.uidMappings.empty() ? "uidMappings" : "gidMappings"),
                   "an idmapped mount needs both uidMappings and gidMappings");
    if (options.idmap && !options.bind)
        fail_field(fmt::format("{}.options", field), "only a bind mount can be idmapped");
    if (options.copy_up && mount.type != "tmpfs")
        fail_field(fmt::format("{}.options", field), "tmpcopyup needs the type tmpfs");
}

}  // namespace

bool MountOptions::read_only() const {
    return ((attr_set | rec_attr_set) & MOUNT_ATTR_RDONLY) != 0;
}

MountOptions parse_mount_options(const spec::Mount& mount, std::string_view field) {
    MountOptions result;
    result.bind = mount.type == "bind";
    for (size_t i = 0; i < mount.options.size(); ++i) {
        for (std::string_view text : split_option(mount.options[i])) {
            if (text.empty()) continue;
            if (const Option* option = find_option(text))
                apply(result, *option);
            else if (text.starts_with("idmap=") || text.starts_with("ridmap="))
                fail_field(fmt::format("{}.options[{}]", field, i),
                           "the mappings of an idmapped mount belong into uidMappings and gidMappings");
            else
                add_data(result, text);
        }
    }
    if (!mount.uidMappings.empty()) result.idmap = true;
    check(result, mount, field);
    return result;
}

std::span<const std::string_view> known_mount_options() {
    return kOptionNames;
}

}  // namespace berth::runtime
