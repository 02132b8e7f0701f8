// SPDX-License-Identifier: Apache-2.0
// Pushes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/client/registry_fixture.h"

namespace berth::registry::test {
namespace {

using Phase = Progress::Phase;

TEST_F(RegistryClient, WhatWasPulledGoesOutByteForByte) {
    registry.add(image, "x", "latest");
    world.pull(registry.name("x"));
    FakeRegistry other(world.context);
    auto target = other.name("y:v1");
    world.store().tag(world.store().get(registry.name("x:latest").text()), target);
    world.heard.clear();
    PushResult result = world.push(target);
    EXPECT_EQ(result.manifest, image.digest());
    EXPECT_EQ(other.manifests["y:v1"].second, image.manifest);
    for (const std::string& layer : image.layers) EXPECT_EQ(other.blobs[Digest::of(layer).text()], layer);
    EXPECT_EQ(world.messages().front(), "The push refers to repository [" + target.name() + "]");
    EXPECT_EQ(world.messages().back(),
              fmt::format("v1: digest: {} size: {}", image.digest().text(), image.manifest.size()));
    EXPECT_EQ(world.count(Phase::pushed), 3u);
    world.heard.clear();
    world.push(target);
    EXPECT_EQ(world.count(Phase::exists_remotely), 3u);
}

TEST_F(RegistryClient, LayersOfTheSameRegistryAreMounted) {
    registry.add(image, "x", "latest");
    world.pull(registry.name("x"));
    for (const std::string& layer : image.layers) {
        registry.mountable.insert(Digest::of(layer).text());
        registry.blobs.erase(Digest::of(layer).text());
    }
    world.store().tag(world.store().get(registry.name("x:latest").text()), registry.name("y:latest"));
    registry.log.clear();
    world.push(registry.name("y"));
    EXPECT_EQ(world.count(Phase::mounted), 3u);
    EXPECT_EQ(registry.count("from=x"), 3u);
}

TEST_F(RegistryClient, DroppedBlobsAreMadeAnew) {
    registry.add(image, "x", "latest");
    world.pull(registry.name("x"));
    for (const std::string& layer : image.layers) world.store().blobs().drop(Digest::of(layer));
    FakeRegistry other(world.context);
    world.store().tag(world.store().get(registry.name("x:latest").text()), other.name("y:latest"));
    PushOptions options;
    options.compression = store::Compression::zstd;
    world.push(other.name("y"), options);
    spec::Manifest manifest = spec::parse_manifest(other.manifests["y:latest"].second);
    ASSERT_EQ(manifest.layers.size(), 3u);
    EXPECT_EQ(manifest.layers[0].mediaType, spec::media::kOciLayerZstd);
    RegistryWorld fresh;
    FakeRegistry copy(fresh.context);
    copy.blobs = other.blobs;
    copy.manifests = other.manifests;
    EXPECT_EQ(fresh.pull(copy.name("y")).image, image.id());
}

TEST_F(RegistryClient, UploadInPiecesWhereTheWholeIsTooMuch) {
    registry.add(image, "x", "latest");
    world.pull(registry.name("x"));
    FakeRegistry other(world.context);
    other.intercept = [](http::Request& request, http::Response& response) -> async::Task<bool> {
        if (request.method != "PUT" || request.content_length.value_or(0) < 100'000) co_return false;
        response.status = 413;
        co_await response.send();
        co_return true;
    };
    world.store().tag(world.store().get(registry.name("x:latest").text()), other.name("y:latest"));
    world.push(other.name("y"));
    EXPECT_GE(other.count("PATCH"), 1u);
    EXPECT_EQ(other.blobs[Digest::of(image.layers[1]).text()], image.layers[1]);
}

TEST_F(RegistryClient, PushOfWhatIsNotHere) {
    auto said = [&](const spec::Reference& name) {
        try {
            world.push(name);
        } catch (const Error& error) {
            return std::string(error.what());
        }
        return std::string("no failure");
    };
    auto name = registry.name("nope");
    EXPECT_EQ(said(name), "An image does not exist locally with the tag: " + name.familiar_name());
    EXPECT_EQ(said(name.with_digest(image.digest())), "cannot push a digest reference");
    registry.add(image, "x", "latest");
    world.pull(registry.name("x"));
    EXPECT_EQ(said(registry.name("x:other")), "tag does not exist: " + registry.name("x:other").familiar());
}

}  // namespace
}  // namespace berth::registry::test
