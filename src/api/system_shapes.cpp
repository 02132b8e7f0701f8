// SPDX-License-Identifier: Apache-2.0
#include "api/system_shapes.h"

#include "api/image_routes.h"

namespace berth::api {

namespace {

/// "name=seccomp,profile=builtin" was "seccomp".
std::string name_of_option(const std::string& option) {
    constexpr std::string_view kName = "name=";
    std::string name = option.substr(0, option.find(','));
    return name.starts_with(kName) ? name.substr(kName.size()) : name;
}

}  // namespace

json::Value encode_info_for(spec::api::Info info, ApiVersion version) {
    if (version < ApiVersion{1, 25})
        for (std::string& option : info.SecurityOptions) option = name_of_option(option);
    if (version >= ApiVersion{1, 42}) info.KernelMemory = false;
    if (version < ApiVersion{1, 47}) {
        info.RegistryConfig_.AllowNondistributableArtifactsCIDRs.emplace();
        info.RegistryConfig_.AllowNondistributableArtifactsHostnames.emplace();
    }
    if (version < ApiVersion{1, 49}) {
        info.FirewallBackend.reset();
        for (spec::api::Commit* commit : {&info.ContainerdCommit, &info.RuncCommit, &info.InitCommit})
            commit->Expected = commit->ID;
    }
    json::Value value = spec::api::encode_info(info);
    json::Object& object = value.as_object();
    if (version >= ApiVersion{1, 50}) {
        object.erase("BridgeNfIptables");
        object.erase("BridgeNfIp6tables");
    }
    if (version < ApiVersion{1, 25}) object["ExecutionDriver"] = "<not supported>";
    return value;
}

void shape_disk_usage(spec::api::DiskUsage& usage, ApiVersion version) {
    if (usage.Images)
        for (spec::api::ImageSummary& image : *usage.Images) shape_image_summary(image, version);
    if (usage.Containers)
        for (spec::api::ContainerSummary& container : *usage.Containers) shape_summary(container, version);
}

}  // namespace berth::api
