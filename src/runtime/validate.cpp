// SPDX-License-Identifier: Apache-2.0
#include "runtime/validate.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "runtime/mount_options.h"
#include "runtime/validate_fields.h"

namespace berth::runtime {

namespace {

constexpr size_t kMaxIdSize = 1024;

/// MAJOR.MINOR.PATCH, then perhaps -pre-release and +build, as https://semver.org has it.
bool is_version_1(std::string_view version) {
    std::string_view core = version.substr(0, version.find_first_of("-+"));
    std::vector<std::string_view> parts = split(core, '.');
    if (parts.size() != 3 || parts[0] != "1") return false;
    return std::ranges::all_of(parts, [](std::string_view part) {
        return parse_number<uint32_t>(part).has_value() && (part.size() == 1 || part[0] != '0');
    });
}

void check_version(const std::string& version) {
    if (version.empty()) fail_field("ociVersion", "is required");
    if (!is_version_1(version))
        fail_field("ociVersion",
                   fmt::format("{}: this runtime supports 1.0.0 to {} and what is compatible with it (1.x.y)",
                               quote(version), spec::kRuntimeSpecVersion));
}

void check_root(const std::optional<spec::Root>& root, const ValidateContext& context) {
    if (!root) {
        if (!context.root_is_given) fail_field("root", "is required");
        return;
    }
    check_text(root->path, "root.path");
    if (context.root_is_given) return;
    if (root->path.empty()) fail_field("root.path", "is required");
    std::string path = root->path.starts_with('/') ? root->path : context.bundle + '/' + root->path;
    struct stat info{};
    if (stat(path.c_str(), &info) < 0)
        fail_field("root.path", fmt::format("{}: {}", path, errno_text(errno)));
    if (!S_ISDIR(info.st_mode)) fail_field("root.path", path + ": not a directory");
}

void check_hook_list(const std::vector<spec::Hook>& hooks, std::string_view name) {
    for (size_t i = 0; i < hooks.size(); ++i) {
        std::string field = fmt::format("hooks.{}[{}]", name, i);
        check_absolute(hooks[i].path, field + ".path");
        check_texts(hooks[i].args, field + ".args");
        check_environment(hooks[i].env, field + ".env");
        if (hooks[i].timeout && *hooks[i].timeout <= 0)
            fail_field(field + ".timeout", "must be greater than zero");
    }
}

void check_hooks(const spec::Hooks& hooks) {
    check_hook_list(hooks.prestart, "prestart");
    check_hook_list(hooks.createRuntime, "createRuntime");
    check_hook_list(hooks.createContainer, "createContainer");
    check_hook_list(hooks.startContainer, "startContainer");
    check_hook_list(hooks.poststart, "poststart");
    check_hook_list(hooks.poststop, "poststop");
}

void check_mounts(const spec::Config& config) {
    for (size_t i = 0; i < config.mounts.size(); ++i) {
        const spec::Mount& mount = config.mounts[i];
        std::string field = fmt::format("mounts[{}]", i);
        check_text(mount.destination, field + ".destination");
        check_text(mount.type, field + ".type");
        check_text(mount.source, field + ".source");
        check_texts(mount.options, field + ".options");
        if (mount.destination.empty()) fail_field(field + ".destination", "is required");
        if (!mount.destination.starts_with('/'))
            log::warning("{}.destination: {}: a relative path, taken as under /", field,
                         quote(mount.destination));
        check_id_mappings(mount.uidMappings, field + ".uidMappings");
        check_id_mappings(mount.gidMappings, field + ".gidMappings");

        MountOptions options = parse_mount_options(mount, field);
        if (options.bind && !options.remount && mount.source.empty())
            fail_field(field + ".source", "a bind mount needs it");
        if (!options.bind && !options.remount && mount.type.empty() && options.propagation.empty())
            fail_field(field + ".type", "is required unless it is a bind mount");
        if (options.idmap && mount.uidMappings.empty() && !has_namespace(config, spec::NamespaceType::user))
            fail_field(field + ".options", "idmap without mappings needs a user namespace");
    }
}

void check_host_names(const spec::Config& config) {
    constexpr size_t kMaxName = 64;  // __NEW_UTS_LEN
    auto check = [&](const std::string& name, std::string_view field) {
        if (name.empty()) return;
        check_text(name, field);
        if (name.size() > kMaxName) fail_field(field, "must not be longer than 64 bytes");
        if (!has_namespace(config, spec::NamespaceType::uts))
            fail_field(field, "cannot be set without a uts namespace");
    };
    check(config.hostname, "hostname");
    check(config.domainname, "domainname");
}

}  // namespace

void validate(const spec::Config& config, const ValidateContext& context) {
    check_version(config.ociVersion);
    check_root(config.root, context);
    if (!config.process) fail_field("process", "is required");
    validate_process(*config.process);
    // Namespaces first: much of what follows depends on them.
    if (config.linux_) check_linux(config, context);
    check_host_names(config);
    check_mounts(config);
    if (config.hooks) check_hooks(*config.hooks);
    if (context.rootless && !has_namespace(config, spec::NamespaceType::user))
        fail_field("linux.namespaces", "without root a user namespace is needed");
}

void validate_id(std::string_view id) {
    auto is_allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '+' || c == '-' || c == '.';
    };
    if (id.empty()) throw make_error(ErrorKind::invalid_argument, "invalid container id: must not be empty");
    if (id.size() > kMaxIdSize)
        throw make_error(ErrorKind::invalid_argument, "invalid container id: longer than {} bytes",
                         kMaxIdSize);
    if (!std::ranges::all_of(id, is_allowed) || id == "." || id == "..")
        throw make_error(ErrorKind::invalid_argument,
                         "invalid container id {}: only letters, digits, and _ + - . are allowed", quote(id));
}

void fail_field(std::string_view field, std::string_view problem) {
    throw make_error(ErrorKind::invalid_argument, "{}: {}", field, problem);
}

void check_text(std::string_view text, std::string_view field) {
    if (text.find('\0') != std::string_view::npos) fail_field(field, "must not contain a NUL byte");
}

void check_texts(const std::vector<std::string>& texts, std::string_view field) {
    for (size_t i = 0; i < texts.size(); ++i) check_text(texts[i], fmt::format("{}[{}]", field, i));
}

void check_absolute(std::string_view path, std::string_view field) {
    check_text(path, field);
    if (!path.starts_with('/')) fail_field(field, "must be an absolute path");
}

void check_environment(const std::vector<std::string>& env, std::string_view field) {
    for (size_t i = 0; i < env.size(); ++i) {
        std::string entry = fmt::format("{}[{}]", field, i);
        check_text(env[i], entry);
        size_t equals = env[i].find('=');
        if (equals == std::string::npos || equals == 0)
            fail_field(entry, fmt::format("{}: must be NAME=value", quote(env[i])));
    }
}

void check_id_mappings(const std::vector<spec::IdMapping>& mappings, std::string_view field) {
    // The kernel takes no more (user_namespaces(7)).
    if (mappings.size() > 340) fail_field(field, "the kernel takes at most 340 mappings");
    constexpr uint64_t kIds = uint64_t{1} << 32;
    for (size_t i = 0; i < mappings.size(); ++i) {
        const spec::IdMapping& one = mappings[i];
        std::string entry = fmt::format("{}[{}]", field, i);
        if (one.size == 0) fail_field(entry + ".size", "must not be zero");
        // The last id, 2^32-1, stands for "no change" in system calls and can't be mapped.
        if (uint64_t{one.containerID} + one.size >= kIds)
            fail_field(entry, "goes past the last container id");
        if (uint64_t{one.hostID} + one.size >= kIds) fail_field(entry, "goes past the last host id");
        auto overlap = [](uint64_t first, uint64_t size, uint64_t other, uint64_t other_size) {
            return first < other + other_size && other < first + size;
        };
        for (size_t j = 0; j < i; ++j) {
            const spec::IdMapping& other = mappings[j];
            if (overlap(one.containerID, one.size, other.containerID, other.size))
                fail_field(entry, fmt::format("overlaps {}[{}] in the container", field, j));
            if (overlap(one.hostID, one.size, other.hostID, other.size))
                fail_field(entry, fmt::format("overlaps {}[{}] on the host", field, j));
        }
    }
}

const spec::Namespace* find_namespace(const spec::Config& config, spec::NamespaceType type) {
    if (!config.linux_) return nullptr;
    auto found = std::ranges::find(config.linux_->namespaces, type, &spec::Namespace::type);
    return found == config.linux_->namespaces.end() ? nullptr : &*found;
}

bool has_namespace(const spec::Config& config, spec::NamespaceType type) {
    return find_namespace(config, type) != nullptr;
}

}  // namespace berth::runtime
