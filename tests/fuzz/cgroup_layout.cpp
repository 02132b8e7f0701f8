// SPDX-License-Identifier: Apache-2.0
#include "sys/cgroup_layout.h"

#include <algorithm>

#include "tests/fuzz/property.h"

using namespace berth;
using fuzz::require;
using sys::CgroupHierarchy;
using sys::CgroupLayout;

namespace {

void check_order(const CgroupLayout& layout) {
    const std::vector<CgroupHierarchy>& all = layout.hierarchies();
    require(std::ranges::is_partitioned(all, &CgroupHierarchy::unified), "the unified hierarchy comes first");
    bool v2 = std::ranges::any_of(all, &CgroupHierarchy::unified);
    bool v1 = !std::ranges::all_of(all, &CgroupHierarchy::unified);
    require((layout.unified() != nullptr) == v2, "unified() finds the unified hierarchy");
    using Mode = CgroupLayout::Mode;
    Mode mode = v1 && v2 ? Mode::hybrid : v1 ? Mode::v1 : v2 ? Mode::v2 : Mode::none;
    require(layout.mode() == mode, "the mode is that of the hierarchies");
}

}  // namespace

/// The texts of /proc/PID/mountinfo and /proc/PID/cgroup, with a NUL between them.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    fuzz::Bytes bytes(data, size);
    std::string_view mountinfo = bytes.text();
    std::string_view proc_cgroup = bytes.rest();
    auto all_visible = [](const std::string&, std::string_view) { return true; };
    CgroupLayout layout = CgroupLayout::parse(mountinfo, proc_cgroup, all_visible);
    check_order(layout);
    for (const CgroupHierarchy& hierarchy : layout.hierarchies()) {
        (void)hierarchy.below_mount(proc_cgroup);
        require(!hierarchy.unified() || hierarchy.controllers.empty(), "cgroup2 has no list of controllers");
        for (const std::string& controller : hierarchy.controllers) {
            if (controller.empty()) continue;
            require(sys::cgroup_key_has(hierarchy.key, controller), "a controller is in its key");
            require(layout.v1(controller) != nullptr, "a controller is found");
        }
    }

    auto none_visible = [](const std::string&, std::string_view) { return false; };
    CgroupLayout nothing = CgroupLayout::parse(mountinfo, proc_cgroup, none_visible);
    require(nothing.mode() == CgroupLayout::Mode::none, "covered mounts don't count");
    return 0;
}
