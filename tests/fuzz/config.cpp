// SPDX-License-Identifier: Apache-2.0
#include "runtime/mount_options.h"
#include "runtime/resources.h"
#include "runtime/seccomp.h"
#include "runtime/sysctl.h"
#include "runtime/validate.h"
#include "spec/runtime.h"
#include "sys/device_filter.h"
#include "tests/fuzz/property.h"

#include <linux/mount.h>

using namespace berth;
using fuzz::require;

namespace {

void check_codec(const spec::Config& config) {
    std::string text = spec::encode_config(config);
    require(spec::encode_config(spec::decode_config(text)) == text, "config.json survives its copy");
    require(spec::encode_config(spec::decode_config(spec::encode_config(config, true))) == text,
            "config.json survives indentation");
}

void check_mount(const spec::Mount& mount) {
    runtime::MountOptions options = runtime::parse_mount_options(mount, "mounts[0]");
    constexpr uint64_t kAtime = MOUNT_ATTR__ATIME;
    require((options.attr_set & options.attr_clr & ~kAtime) == 0, "no attribute is set and cleared");
    require((options.rec_attr_set & options.rec_attr_clr & ~kAtime) == 0,
            "no rec. attribute is set and cleared");
    require((options.attr_set & kAtime) == 0 || (options.attr_clr & kAtime) == kAtime, "atime is a field");
    require(!options.rec_idmap || options.idmap, "ridmap is an idmap");
    require(!options.recursive_bind || options.bind, "rbind is a bind");
}

/// What apply_resources computes before it writes.
void check_resources(const spec::Resources& resources) {
    fuzz::is_valid([&] {
        std::vector<sys::DeviceRule> rules = runtime::device_rules(resources.devices);
        require(!rules.empty() && rules.front().decides_all(), "the first device rule decides about all");
        require(!sys::compile_device_filter(rules).empty(), "device rules make a program");
    });
    if (resources.cpu && resources.cpu->shares) {
        uint64_t weight = runtime::cpu_weight(*resources.cpu->shares);
        require(weight >= 1 && weight <= 10000, "cpu.weight is one");
    }
    if (resources.blockIO && resources.blockIO->weight) {
        uint64_t weight = runtime::io_weight(*resources.blockIO->weight);
        require(weight >= 1 && weight <= 10000, "io.weight is one");
    }
    if (resources.memory) {
        const spec::MemoryResources& memory = *resources.memory;
        fuzz::is_valid([&] { (void)runtime::swap_only(memory.swap.value_or(0), memory.limit.value_or(0)); });
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    fuzz::discard_log();
    spec::Config config;
    if (!fuzz::is_valid([&] { config = spec::decode_config(fuzz::as_text(data, size)); })) return 0;
    check_codec(config);

    // All parts, also of a file that an earlier part makes invalid.
    for (const spec::Mount& mount : config.mounts) fuzz::is_valid([&] { check_mount(mount); });
    if (config.linux_) {
        for (const auto& [name, value] : config.linux_->sysctl)
            if (std::optional<std::string> path = runtime::sysctl_path(name))
                (void)runtime::sysctl_namespace(*path);
        if (config.linux_->seccomp) fuzz::is_valid([&] { runtime::check_seccomp(*config.linux_->seccomp); });
        if (const auto& resources = config.linux_->resources;
            resources && fuzz::is_valid([&] { runtime::validate_resources(*resources); }))
            check_resources(*resources);
    }
    for (bool rootless : {false, true})
        fuzz::is_valid(
            [&] { runtime::validate(config, {.bundle = "/", .root_is_given = true, .rootless = rootless}); });
    return 0;
}
