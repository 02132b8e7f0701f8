// SPDX-License-Identifier: Apache-2.0
#include "api/version.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"

namespace berth::api {
namespace {

using spec::api::ContainerCreateRequest;

ContainerCreateRequest create(std::string_view text, ApiVersion version) {
    auto request = spec::api::decode_container_create_request(json::parse(text));
    shape_create(request, version);
    return request;
}

std::string refusal(std::string_view text, ApiVersion version) {
    try {
        create(text, version);
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        return error.what();
    }
    return "no error";
}

TEST(VersionTest, Parses) {
    EXPECT_EQ(ApiVersion::parse("1.41"), (ApiVersion{1, 41}));
    EXPECT_EQ(ApiVersion::parse("2"), (ApiVersion{2, 0}));
    for (const char* text : {"", ".", "1.", ".4", "1.4.2", "1.x", "99999999999"})
        EXPECT_FALSE(ApiVersion::parse(text)) << text;
    EXPECT_LT((ApiVersion{1, 9}), (ApiVersion{1, 24}));
    EXPECT_EQ(kNewestVersion.text(), "1.51");
}

TEST(VersionTest, CreateFillsIn) {
    auto request = create(R"({"Image":"x"})", kNewestVersion);
    ASSERT_TRUE(request.HostConfig_ && request.NetworkingConfig_);
    EXPECT_EQ(request.HostConfig_->NetworkMode, "default");
    EXPECT_EQ(request.HostConfig_->CgroupnsMode, "");
    EXPECT_EQ(request.HostConfig_->IpcMode, "");
}

TEST(VersionTest, WhatOlderVersionsDidNotHaveIsTakenAway) {
    constexpr const char* kBody = R"({"Image":"x","Healthcheck":{"StartInterval":5},"HostConfig":{
        "Annotations":{"a":"b"},"ConsoleSize":[24,80],"AutoRemove":true,"KernelMemory":7,"PidsLimit":9,
        "Mounts":[{"Type":"bind","Source":"/a","Target":"/b","ReadOnly":true},
                  {"Type":"tmpfs","Target":"/c","BindOptions":{}}]}})";
    EXPECT_EQ(refusal(kBody, kNewestVersion), "BindOptions must not be specified on mount type \"tmpfs\"");
    auto request = create(kBody, {1, 41});
    EXPECT_EQ(request.Healthcheck->StartInterval, 0);
    const auto& host = *request.HostConfig_;
    EXPECT_TRUE(host.Annotations.empty());
    EXPECT_EQ(host.ConsoleSize, (std::vector<uint64_t>{0, 0}));
    EXPECT_TRUE(host.AutoRemove);
    EXPECT_EQ(host.KernelMemory, 7);
    EXPECT_EQ(host.PidsLimit, 9);
    EXPECT_TRUE(host.Mounts[0].BindOptions_->ReadOnlyNonRecursive);
    EXPECT_FALSE(host.Mounts[1].BindOptions_);
    request = create(kBody, kOldestVersion);
    EXPECT_FALSE(request.HostConfig_->AutoRemove);
    EXPECT_FALSE(request.HostConfig_->PidsLimit);
    EXPECT_EQ(request.HostConfig_->CgroupnsMode, "host");
    EXPECT_EQ(request.HostConfig_->IpcMode, "shareable");
}

TEST(VersionTest, WhatMustNotBeIgnoredIsRefused) {
    auto with_mount = [](const std::string& mount) {
        return R"({"Image":"x","HostConfig":{"Mounts":[)" + mount + "]}}";
    };
    std::string force = with_mount(R"({"Type":"bind","BindOptions":{"ReadOnlyForceRecursive":true}})");
    EXPECT_EQ(refusal(force, {1, 43}), "BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer");
    EXPECT_EQ(refusal(force, {1, 44}), "no error");
    std::string subpath = with_mount(R"({"Type":"volume","VolumeOptions":{"Subpath":"a"}})");
    EXPECT_EQ(refusal(subpath, {1, 44}), "VolumeOptions.Subpath needs API v1.45 or newer");
    EXPECT_EQ(refusal(subpath, {1, 45}), "no error");
    EXPECT_EQ(refusal(with_mount(R"({"Type":"image"})"), {1, 47}),
              "Mount type \"Image\" needs API v1.48 or newer");
    constexpr const char* kNetworks =
        R"({"Image":"x","NetworkingConfig":{"EndpointsConfig":{"a":{},"b":null}}})";
    EXPECT_EQ(refusal(kNetworks, {1, 43}),
              "Container cannot be created with multiple network endpoints: a, b");
    EXPECT_EQ(refusal(kNetworks, {1, 44}), "no error");
}

TEST(VersionTest, NoLimitOfProcesses) {
    EXPECT_FALSE(create(R"({"HostConfig":{"PidsLimit":0}})", kNewestVersion).HostConfig_->PidsLimit);
    EXPECT_FALSE(create(R"({"HostConfig":{"PidsLimit":-1}})", kNewestVersion).HostConfig_->PidsLimit);
    auto update = spec::api::decode_update_request(json::parse(R"({"PidsLimit":-1,"KernelMemory":5})"));
    shape_update(update, {1, 41});
    EXPECT_EQ(update.PidsLimit, 0);
    EXPECT_EQ(update.KernelMemory, 5);
    shape_update(update, {1, 42});
    EXPECT_EQ(update.KernelMemory, 0);
    shape_update(update, {1, 39});
    EXPECT_FALSE(update.PidsLimit);
}

TEST(VersionTest, Answers) {
    spec::api::ContainerInspect container;
    container.Id = std::string(64, 'a');
    container.NetworkSettings_.Networks["none"];
    container.ImageManifestDescriptor.emplace();
    auto older = container;
    shape_inspect(older, {1, 44});
    EXPECT_FALSE(older.ImageManifestDescriptor);
    EXPECT_EQ(older.NetworkSettings_.Networks["none"].Aliases, (std::vector{std::string(12, 'a')}));
    shape_inspect(container, kNewestVersion);
    EXPECT_TRUE(container.ImageManifestDescriptor);
    EXPECT_FALSE(container.NetworkSettings_.Networks["none"].Aliases);
    spec::api::ContainerSummary summary;
    summary.HostConfig.Annotations["a"] = "b";
    shape_summary(summary, {1, 46});
    EXPECT_FALSE(summary.HostConfig.Annotations.empty());
    shape_summary(summary, {1, 45});
    EXPECT_TRUE(summary.HostConfig.Annotations.empty());
}

}  // namespace
}  // namespace berth::api
