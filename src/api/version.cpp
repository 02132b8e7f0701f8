// SPDX-License-Identifier: Apache-2.0
#include "api/version.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/strings.h"

namespace berth::api {

namespace {

using spec::api::ContainerCreateRequest;
using spec::api::ContainerInspect;
using spec::api::ContainerSummary;
using spec::api::ExecCreateRequest;
using spec::api::Mount;
using spec::api::UpdateRequest;

template <typename Body>
struct Step {
    ApiVersion since;
    void (*before)(Body& body);
};

template <typename Body, size_t count>
void apply(const Step<Body> (&steps)[count], Body& body, ApiVersion version) {
    for (const Step<Body>& step : steps)
        if (version < step.since) step.before(body);
}

[[noreturn]] void needs(std::string_view what, ApiVersion version) {
    throw make_error(ErrorKind::invalid_argument, "{} needs API v{} or newer", what, version.text());
}

// --- create
// --------------------------------------------------------------------------------------------------

/// Image mounts.
void create_before_1_48(ContainerCreateRequest& request) {
    for (const Mount& mount : request.HostConfig_->Mounts)
        if (mount.Type == "image") needs("Mount type \"Image\"", {1, 48});
    for (auto& [name, endpoint] : request.NetworkingConfig_->EndpointsConfig)
        if (endpoint) endpoint->GwPriority = 0;
}

void create_before_1_46(ContainerCreateRequest& request) {
    for (const Mount& mount : request.HostConfig_->Mounts)
        if (mount.TmpfsOptions_ && !mount.TmpfsOptions_->Options.empty())
            needs("TmpfsOptions.Options", {1, 46});
}

void create_before_1_45(ContainerCreateRequest& request) {
    for (const Mount& mount : request.HostConfig_->Mounts)
        if (mount.VolumeOptions_ && !mount.VolumeOptions_->Subpath.empty())
            needs("VolumeOptions.Subpath", {1, 45});
}

/// Read-only binds were not recursive; one network at creation; no StartInterval; the address of the network
/// card belonged to the container.
void create_before_1_44(ContainerCreateRequest& request) {
    if (request.Healthcheck) request.Healthcheck->StartInterval = 0;
    for (Mount& mount : request.HostConfig_->Mounts) {
        if (mount.Type != "bind") continue;
        if (mount.BindOptions_ && mount.BindOptions_->ReadOnlyForceRecursive)
            needs("BindOptions.ReadOnlyForceRecursive", {1, 44});
        if (!mount.ReadOnly) continue;
        if (!mount.BindOptions_) mount.BindOptions_.emplace();
        mount.BindOptions_->ReadOnlyNonRecursive = true;
    }
    const auto& endpoints = request.NetworkingConfig_->EndpointsConfig;
    if (endpoints.size() > 1) {
        std::vector<std::string> names;
        for (const auto& [name, endpoint] : endpoints) names.push_back(name);
        throw make_error(ErrorKind::invalid_argument,
                         "Container cannot be created with multiple network endpoints: {}",
                         join(names, ", "));
    }
}

void create_before_1_43(ContainerCreateRequest& request) {
    request.HostConfig_->Annotations.clear();
}

/// The size of the terminal came with a resize only.
void create_before_1_42(ContainerCreateRequest& request) {
    request.HostConfig_->ConsoleSize = {0, 0};
    for (Mount& mount : request.HostConfig_->Mounts)
        if (mount.BindOptions_) mount.BindOptions_->CreateMountpoint = false;
}

void create_before_1_41(ContainerCreateRequest& request) {
    request.HostConfig_->CgroupnsMode = "host";
}

void create_before_1_40(ContainerCreateRequest& request) {
    auto& host = *request.HostConfig_;
    for (Mount& mount : host.Mounts)
        if (mount.BindOptions_) mount.BindOptions_->NonRecursive = false;
    host.KernelMemoryTCP = 0;
    host.PidsLimit.reset();
    if (host.IpcMode.empty()) host.IpcMode = "shareable";
}

/// `--rm` was the client's work.
void create_before_1_25(ContainerCreateRequest& request) {
    request.HostConfig_->AutoRemove = false;
}

constexpr Step<ContainerCreateRequest> kCreateSteps[] = {
    {{1, 48}, create_before_1_48}, {{1, 46}, create_before_1_46}, {{1, 45}, create_before_1_45},
    {{1, 44}, create_before_1_44}, {{1, 43}, create_before_1_43}, {{1, 42}, create_before_1_42},
    {{1, 41}, create_before_1_41}, {{1, 40}, create_before_1_40}, {{1, 25}, create_before_1_25},
};

/// Since 1.42 options of one type of mount are refused for the others; before, they were ignored.
void check_mount_options(const ContainerCreateRequest& request) {
    auto refuse = [](std::string_view options, const Mount& mount) {
        throw make_error(ErrorKind::invalid_argument, "{} must not be specified on mount type \"{}\"",
                         options, mount.Type);
    };
    for (const Mount& mount : request.HostConfig_->Mounts) {
        if (mount.BindOptions_ && mount.Type != "bind") refuse("BindOptions", mount);
        if (mount.VolumeOptions_ && mount.Type != "volume") refuse("VolumeOptions", mount);
        if (mount.TmpfsOptions_ && mount.Type != "tmpfs") refuse("TmpfsOptions", mount);
        if (mount.ImageOptions && mount.Type != "image") refuse("ImageOptions", mount);
    }
}

void drop_foreign_mount_options(ContainerCreateRequest& request) {
    for (Mount& mount : request.HostConfig_->Mounts) {
        if (mount.Type != "bind") mount.BindOptions_.reset();
        if (mount.Type != "volume") mount.VolumeOptions_.reset();
        if (mount.Type != "tmpfs") mount.TmpfsOptions_.reset();
    }
}

// --- update, exec
// --------------------------------------------------------------------------------------------

void update_before_1_40(UpdateRequest& request) {
    request.PidsLimit.reset();
}

constexpr Step<UpdateRequest> kUpdateSteps[] = {{{1, 40}, update_before_1_40}};

void exec_before_1_42(ExecCreateRequest& request) {
    request.ConsoleSize.reset();
}

void exec_before_1_35(ExecCreateRequest& request) {
    request.WorkingDir.clear();
}

void exec_before_1_25(ExecCreateRequest& request) {
    request.Env.reset();
}

constexpr Step<ExecCreateRequest> kExecSteps[] = {
    {{1, 42}, exec_before_1_42}, {{1, 35}, exec_before_1_35}, {{1, 25}, exec_before_1_25}};

// --- answers
// -------------------------------------------------------------------------------------------------

void inspect_before_1_48(ContainerInspect& container) {
    container.ImageManifestDescriptor.reset();
}

/// The container's short id was among the aliases that the user gave.
void inspect_before_1_45(ContainerInspect& container) {
    std::string short_id = container.Id.substr(0, 12);
    for (auto& [name, endpoint] : container.NetworkSettings_.Networks) {
        if (!endpoint.Aliases) endpoint.Aliases.emplace();
        auto& aliases = *endpoint.Aliases;
        if (std::find(aliases.begin(), aliases.end(), short_id) == aliases.end()) aliases.push_back(short_id);
    }
}

constexpr Step<ContainerInspect> kInspectSteps[] = {{{1, 48}, inspect_before_1_48},
                                                    {{1, 45}, inspect_before_1_45}};

void summary_before_1_48(ContainerSummary& container) {
    container.ImageManifestDescriptor.reset();
}

void summary_before_1_46(ContainerSummary& container) {
    container.HostConfig.Annotations.clear();
}

constexpr Step<ContainerSummary> kSummarySteps[] = {{{1, 48}, summary_before_1_48},
                                                    {{1, 46}, summary_before_1_46}};

}  // namespace

std::string ApiVersion::text() const {
    return fmt::format("{}.{}", major, minor);
}

std::optional<ApiVersion> ApiVersion::parse(std::string_view text) {
    size_t dot = text.find('.');
    auto major = parse_number<int>(text.substr(0, dot));
    auto minor = dot == std::string_view::npos ? 0 : parse_number<int>(text.substr(dot + 1));
    if (!major || !minor || *major < 0 || *minor < 0) return std::nullopt;
    return ApiVersion{*major, *minor};
}

void shape_create(ContainerCreateRequest& request, ApiVersion version) {
    if (!request.HostConfig_) request.HostConfig_.emplace();
    if (!request.NetworkingConfig_) request.NetworkingConfig_.emplace();
    auto& host = *request.HostConfig_;
    if (version < ApiVersion{1, 42}) {
        drop_foreign_mount_options(request);
    } else {
        check_mount_options(request);
        host.KernelMemory = 0;
    }
    if (host.NetworkMode.empty()) host.NetworkMode = "default";
    apply(kCreateSteps, request, version);
    if (host.PidsLimit && *host.PidsLimit <= 0) host.PidsLimit.reset();
}

void shape_update(UpdateRequest& request, ApiVersion version) {
    if (version >= ApiVersion{1, 42}) request.KernelMemory = 0;
    apply(kUpdateSteps, request, version);
    if (request.PidsLimit && *request.PidsLimit < 0) request.PidsLimit = 0;
}

void shape_exec_create(ExecCreateRequest& request, ApiVersion version) {
    apply(kExecSteps, request, version);
}

void shape_inspect(ContainerInspect& container, ApiVersion version) {
    apply(kInspectSteps, container, version);
}

void shape_summary(ContainerSummary& container, ApiVersion version) {
    apply(kSummarySteps, container, version);
}

}  // namespace berth::api
