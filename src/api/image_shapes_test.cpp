// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "api/image_routes.h"
#include "api/system_shapes.h"

namespace berth::api {
namespace {

engine::ImageDetails details() {
    engine::ImageDetails details;
    details.image.Id = "sha256:1";
    details.image.Size = 5;
    details.image.Config.emplace().Env = {"A=1"};
    details.image.Descriptor.emplace();
    return details;
}

json::Object shown(ApiVersion version) {
    return encode_image_details(details(), version).as_object();
}

TEST(ImageShapes, TheNewestHasNoFieldsOfContainers) {
    json::Object image = shown({1, 51});
    EXPECT_FALSE(image.contains("VirtualSize"));
    EXPECT_FALSE(image.contains("ContainerConfig"));
    EXPECT_TRUE(image.contains("Descriptor"));
    const json::Object& config = image.at("Config").as_object();
    EXPECT_FALSE(config.contains("Hostname"));
    EXPECT_TRUE(config.at("Cmd").is_null());
    EXPECT_EQ(config.at("Env").as_array().size(), 1u);
    EXPECT_EQ(config.at("WorkingDir").as_string(), "");
}

TEST(ImageShapes, OlderVersions) {
    EXPECT_TRUE(shown({1, 49}).at("Config").as_object().contains("Hostname"));
    EXPECT_FALSE(shown({1, 47}).contains("Descriptor"));
    EXPECT_TRUE(shown({1, 44}).contains("ContainerConfig"));
    EXPECT_EQ(shown({1, 43}).at("VirtualSize").as_int64(), 5);
    EXPECT_EQ(shown({1, 43}).at("Created").as_string(), "0001-01-01T00:00:00Z");
}

TEST(ImageShapes, ImagesWithoutANameWereCalledNone) {
    spec::api::ImageSummary summary;
    summary.Size = 7;
    shape_image_summary(summary, {1, 43});
    EXPECT_TRUE(summary.RepoTags.empty());
    EXPECT_EQ(summary.VirtualSize, 7);
    shape_image_summary(summary, {1, 42});
    EXPECT_EQ(summary.RepoTags, std::vector<std::string>{"<none>:<none>"});
    EXPECT_EQ(summary.RepoDigests, std::vector<std::string>{"<none>@<none>"});
}

TEST(SystemShapes, InfoOfOldVersions) {
    spec::api::Info info;
    info.SecurityOptions = {"name=seccomp,profile=builtin", "name=cgroupns"};
    info.RuncCommit.ID = "1";
    json::Object old = encode_info_for(info, {1, 24}).as_object();
    EXPECT_EQ(old.at("SecurityOptions").as_array()[0].as_string(), "seccomp");
    EXPECT_EQ(old.at("ExecutionDriver").as_string(), "<not supported>");
    EXPECT_EQ(old.at("RuncCommit").as_object().at("Expected").as_string(), "1");
    EXPECT_TRUE(old.contains("BridgeNfIptables"));
    json::Object now = encode_info_for(info, {1, 51}).as_object();
    EXPECT_FALSE(now.contains("BridgeNfIptables"));
    EXPECT_FALSE(now.contains("ExecutionDriver"));
    EXPECT_FALSE(now.at("RuncCommit").as_object().contains("Expected"));
}

}  // namespace
}  // namespace berth::api
