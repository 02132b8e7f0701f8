// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/image_merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/oci/oci_fixture.h"

namespace berth::engine {

namespace {

using spec::api::ContainerConfig;
using testing::ElementsAre;
using Words = spec::api::OptionalStrings;

std::string command_of(Words entrypoint, Words command) {
    spec::ImageRunConfig image;
    image.Entrypoint = {"/entry"};
    image.Cmd = {"default", "x"};
    ContainerConfig config;
    config.Entrypoint = std::move(entrypoint);
    config.Cmd = std::move(command);
    merge_image_config(config, image);
    std::string text;
    error_of([&] {
        Command result = resolve_command(config);
        text = result.path;
        for (const auto& arg : result.args) text += " " + arg;
    });
    return text;
}

TEST(ImageMerge, EntrypointAndCommand) {
    using W = spec::api::Strings;
    EXPECT_EQ(command_of({}, {}), "/entry default x");
    EXPECT_EQ(command_of({}, W{"sh"}), "/entry sh");
    EXPECT_EQ(command_of({}, W{}), "/entry default x");
    EXPECT_EQ(command_of(W{"/mine"}, {}), "/mine");
    EXPECT_EQ(command_of(W{"/mine", "-v"}, W{"a"}), "/mine -v a");
    // [] keeps the image's command, but not its entrypoint; [""] neither.
    EXPECT_EQ(command_of(W{}, {}), "default x");
    EXPECT_EQ(command_of(W{""}, W{"a"}), "a");
    EXPECT_EQ(command_of(W{""}, {}), "");
}

TEST(ImageMerge, EmptyEntrypointIsRecordedAsNull) {
    ContainerConfig config;
    config.Entrypoint = {""};
    EXPECT_EQ(error_of([&] { resolve_command(config); }), "no command specified");
    EXPECT_FALSE(config.Entrypoint);
}

TEST(ImageMerge, FillsWhatIsOpen) {
    spec::ImageRunConfig image;
    image.User = "web";
    image.WorkingDir = "/srv";
    image.StopSignal = "SIGQUIT";
    image.Shell = {"/bin/bash", "-c"};
    image.Env = {"PATH=/image", "A=image", "ONLY=image"};
    image.Labels = {{"a", "image"}, {"b", "image"}};
    image.ExposedPorts["80/tcp"];
    image.Volumes["/data"];

    ContainerConfig config;
    config.User = "0";
    config.Env = {"A=mine", "PATH"};
    config.Labels.emplace()["a"] = "mine";
    config.ExposedPorts["90/udp"];
    config.Volumes.emplace();
    merge_image_config(config, image);
    EXPECT_EQ(config.User, "0");
    EXPECT_EQ(config.WorkingDir, "/srv");
    EXPECT_EQ(config.StopSignal, "SIGQUIT");
    EXPECT_THAT(config.Shell, ElementsAre("/bin/bash", "-c"));
    EXPECT_THAT(*config.Env, ElementsAre("A=mine", "PATH", "ONLY=image"));
    EXPECT_EQ(*config.Labels, (spec::api::StringMap{{"a", "mine"}, {"b", "image"}}));
    EXPECT_TRUE(config.ExposedPorts.contains("80/tcp") && config.ExposedPorts.contains("90/udp"));
    EXPECT_TRUE(config.Volumes->contains("/data"));

    ContainerConfig plain;
    plain.Volumes.emplace();
    merge_image_config(plain, {});
    EXPECT_FALSE(plain.Volumes);
    EXPECT_TRUE(plain.Labels);
}

TEST(ImageMerge, HealthcheckFieldByField) {
    spec::ImageRunConfig image;
    image.Healthcheck_ = spec::Healthcheck{{"CMD", "check"}, 5, 6, 7, 8, 9};
    ContainerConfig config;
    merge_image_config(config, image);
    EXPECT_EQ(*config.Healthcheck, (spec::api::HealthConfig{{"CMD", "check"}, 5, 6, 7, 8, 9}));

    config.Healthcheck = spec::api::HealthConfig{{}, 50, 0, 0, 0, 3};
    merge_image_config(config, image);
    EXPECT_EQ(*config.Healthcheck, (spec::api::HealthConfig{{"CMD", "check"}, 50, 6, 7, 8, 3}));

    config.Healthcheck = spec::api::HealthConfig{{"NONE"}, 0, 0, 0, 0, 0};
    merge_image_config(config, image);
    EXPECT_THAT(config.Healthcheck->Test, ElementsAre("NONE"));
}

TEST(MergeEnvironment, ByName) {
    EXPECT_THAT(merge_environment({"A=1", "B=2", "C=3"}, {"B=x", "C", "D=4", "D=5", "E"}),
                ElementsAre("A=1", "B=x", "D=4", "D=5"));
    EXPECT_THAT(merge_environment({"A=1", "A=2"}, {"A=3"}), ElementsAre("A=1", "A=3"));
    EXPECT_THAT(merge_environment({"A=1", "B=2"}, {"A", "A=3"}), ElementsAre("A=3", "B=2"));
}

/// An image's configuration may have a million of them: no loop in a loop.
TEST(ImageMerge, ManyVariables) {
    spec::ImageRunConfig image;
    for (int i = 0; i < 300'000; ++i) image.Env.push_back(fmt::format("V{}=", i));
    spec::api::ContainerConfig config;
    config.Env = {"V5=own"};
    merge_image_config(config, image);
    EXPECT_EQ(config.Env->size(), 300'000U);
    EXPECT_EQ(merge_environment(*config.Env, image.Env).size(), 300'000U);
}

}  // namespace

}  // namespace berth::engine
