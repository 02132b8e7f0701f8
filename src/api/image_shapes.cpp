// SPDX-License-Identifier: Apache-2.0
// What clients of older versions see of images.
#include "api/image_routes.h"
#include "spec/api/container_config.h"

namespace berth::api {

namespace {

/// Members of an image's Config that were written even where they hold nothing: always, and before 1.50.
json::Object config_defaults(ApiVersion version) {
    json::Object defaults;
    if (version < ApiVersion{1, 50}) {
        defaults["Hostname"] = "";
        defaults["Domainname"] = "";
        for (const char* key :
             {"AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin", "StdinOnce"})
            defaults[key] = false;
        defaults["Image"] = "";
    }
    defaults["User"] = "";
    for (const char* key : {"Env", "Cmd", "Volumes"}) defaults[key] = nullptr;
    defaults["WorkingDir"] = "";
    for (const char* key : {"Entrypoint", "OnBuild", "Labels"}) defaults[key] = nullptr;
    return defaults;
}

}  // namespace

void shape_image_summary(spec::api::ImageSummary& image, ApiVersion version) {
    if (version < ApiVersion{1, 48}) image.Descriptor.reset();
    if (version < ApiVersion{1, 44}) image.VirtualSize = image.Size;
    if (version < ApiVersion{1, 43} && image.RepoTags.empty() && image.RepoDigests.empty()) {
        image.RepoTags = {"<none>:<none>"};
        image.RepoDigests = {"<none>@<none>"};
    }
}

json::Value encode_image_details(engine::ImageDetails details, ApiVersion version) {
    spec::api::ImageInspect& image = details.image;
    if (version < ApiVersion{1, 48}) image.Descriptor.reset();
    if (version < ApiVersion{1, 44}) {
        image.VirtualSize = image.Size;
        if (image.Created.empty()) image.Created = spec::api::kZeroTime;
    }
    json::Value value = spec::api::encode_image_inspect(image);
    json::Object& object = value.as_object();
    if (json::Value* config = object.if_contains("Config"); config && config->is_object()) {
        json::Object merged = config_defaults(version);
        for (auto& member : config->as_object()) merged[member.key()] = std::move(member.value());
        *config = std::move(merged);
    }
    if (version < ApiVersion{1, 45}) {
        object["Container"] = details.container;
        object["ContainerConfig"] = details.container_config.is_null()
                                        ? spec::api::encode_container_config({})
                                        : std::move(details.container_config);
    }
    return value;
}

}  // namespace berth::api
