// SPDX-License-Identifier: Apache-2.0
// What a registry must not get away with: each pull fails with the image and the step, and leaves nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/client/registry_fixture.h"

namespace berth::registry::test {
namespace {

using ::testing::HasSubstr;

TEST_F(RegistryClient, UnknownNames) {
    auto name = registry.name("x:nope");
    EXPECT_EQ(failure(name),
              "manifest for " + name.familiar() + " not found: manifest unknown: manifest unknown");
    registry.intercept = [](http::Request& request, http::Response& response) -> async::Task<bool> {
        if (request.path.find("/manifests/") == std::string::npos) co_return false;
        co_await FakeRegistry::fail(response, 404, "NAME_UNKNOWN", "repository name not known to registry");
        co_return true;
    };
    EXPECT_EQ(failure(name), "repository " + name.familiar_name() +
                                 " not found: name unknown: repository name not known to registry");
    registry.intercept = [](http::Request& request, http::Response& response) -> async::Task<bool> {
        if (request.path.find("/manifests/") == std::string::npos) co_return false;
        co_await FakeRegistry::fail(response, 403, "DENIED", "requested access to the resource is denied");
        co_return true;
    };
    EXPECT_EQ(
        failure(name),
        "pull access denied for " + name.familiar_name() +
            ", repository does not exist or may require 'docker login': denied: requested access to the "
            "resource is denied");
    expect_nothing_left();
}

TEST_F(RegistryClient, WrongManifests) {
    auto pull_manifest = [&](std::string text, std::string type) {
        registry.add_manifest(text, type, "x", "latest");
        return failure(registry.name("x"));
    };
    std::string oci(spec::media::kOciManifest);
    EXPECT_THAT(pull_manifest("{", oci), HasSubstr("pulling " + registry.name("x").familiar()));
    EXPECT_THAT(pull_manifest(R"({"schemaVersion":2,"config":{},"layers":[{"size":-1}]})", oci),
                HasSubstr("pulling"));
    EXPECT_THAT(pull_manifest(R"({"schemaVersion":1,"fsLayers":[]})",
                              std::string(spec::media::kDockerManifestV1Signed)),
                HasSubstr("schema 1 support is disabled by default"));
    EXPECT_THAT(pull_manifest(image.manifest, std::string(spec::media::kOciIndex)),
                HasSubstr("mediaType in manifest should be"));
    EXPECT_THAT(pull_manifest(std::string(5 << 20, ' '), oci), HasSubstr("at most 4194304"));
    std::string nested(
        R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]})");
    EXPECT_THAT(pull_manifest(nested, std::string(spec::media::kOciIndex)),
                HasSubstr("no matching manifest for linux/amd64"));
    expect_nothing_left();
}

TEST_F(RegistryClient, ManifestThatIsNotWhatItsDigestSays) {
    registry.add(image, "x", "latest");
    registry.manifests["x:" + image.digest().text()].second += " ";
    EXPECT_THAT(failure(registry.name("x@" + image.digest().text())),
                HasSubstr("manifest verification failed for digest " + image.digest().text()));
    expect_nothing_left();
}

TEST_F(RegistryClient, WrongConfig) {
    registry.add(image, "x", "latest");
    registry.blobs[image.id().text()].back() = ' ';
    EXPECT_THAT(failure(registry.name("x")), HasSubstr("config " + image.id().text()));
    expect_nothing_left();
}

TEST_F(RegistryClient, WrongLayerBytes) {
    registry.add(image, "x", "latest");
    std::string digest = Digest::of(image.layers[1]).text();
    registry.blobs[digest][1000] ^= 1;
    std::string said = failure(registry.name("x"));
    EXPECT_THAT(said, HasSubstr("pulling " + registry.name("x:latest").familiar() + ": layer 2 of 3 (" +
                                digest + ")"));
    EXPECT_THAT(said, HasSubstr("filesystem layer verification failed for digest " + digest));
    expect_nothing_left();
}

TEST_F(RegistryClient, LayerThatIsLongerOrShorterThanSaid) {
    registry.add(image, "x", "latest");
    std::string digest = Digest::of(image.layers[1]).text();
    registry.blobs[digest] += "more";
    EXPECT_THAT(failure(registry.name("x")), HasSubstr(digest));
    registry.blobs[digest] = image.layers[1].substr(0, 1000);
    EXPECT_THAT(failure(registry.name("x")), HasSubstr("the registry has 1000 bytes"));
    expect_nothing_left();
}

TEST_F(RegistryClient, DiffIdThatDoesNotMatch) {
    TestImage wrong = image;
    spec::Manifest manifest = spec::parse_manifest(wrong.manifest);
    spec::ImageConfig config = spec::parse_image_config(wrong.config);
    config.rootfs.diff_ids[1] = Digest::of("something else");
    wrong.config = spec::print_image_config(config);
    manifest.config.digest = wrong.id();
    manifest.config.size = static_cast<int64_t>(wrong.config.size());
    wrong.manifest = spec::print_manifest(manifest);
    registry.add(wrong, "x", "latest");
    EXPECT_THAT(failure(registry.name("x")),
                HasSubstr("layers from manifest don't match image configuration"));
    expect_nothing_left();
}

TEST_F(RegistryClient, LayerThatIsNoArchive) {
    TestImage wrong = make_image({"this is no archive, but its digests are right"});
    registry.add(wrong, "x", "latest");
    EXPECT_THAT(failure(registry.name("x")), HasSubstr("layer 1 of 1"));
    expect_nothing_left();
}

/// A small blob that unpacks to `bytes` zeros after the end of the archive.
std::string make_bomb(std::string tar, uint64_t bytes) {
    sys::TextSink sink;
    auto compressor = store::make_compressor(sink, store::Compression::zstd);
    compressor->write(sys::bytes_of(tar));
    std::string zeros(4 << 20, '\0');
    for (uint64_t done = 0; done < bytes; done += zeros.size()) compressor->write(sys::bytes_of(zeros));
    compressor->finish();
    return sink.text;
}

TEST_F(RegistryClient, DecompressionBomb) {
    TestImage wrong = make_image({make_tar({{"a", "1"}})});
    wrong.layers[0] = make_bomb(wrong.tars[0], (1u << 30) + (64u << 20));
    spec::Manifest manifest = spec::parse_manifest(wrong.manifest);
    manifest.layers[0].digest = Digest::of(wrong.layers[0]);
    manifest.layers[0].size = static_cast<int64_t>(wrong.layers[0].size());
    manifest.layers[0].mediaType = spec::media::kOciLayerZstd;
    wrong.manifest = spec::print_manifest(manifest);
    registry.add(wrong, "x", "latest");
    EXPECT_THAT(failure(registry.name("x")), HasSubstr("the unpacked layer is larger than"));
    expect_nothing_left();
}

TEST_F(RegistryClient, EndlessRedirects) {
    registry.add(image, "x", "latest");
    registry.intercept = [](http::Request& request, http::Response& response) -> async::Task<bool> {
        if (request.path.find("/blobs/") == std::string::npos) co_return false;
        response.status = 307;
        response.headers.set("Location", request.target + "x");
        co_await response.send();
        co_return true;
    };
    EXPECT_THAT(failure(registry.name("x")), HasSubstr("stopped after 10 redirects"));
    expect_nothing_left();
}

TEST_F(RegistryClient, RedirectsCarryNoPasswordToAnotherHost) {
    FakeRegistry storage(world.context);
    storage.add(image, "x", "latest");
    registry.add(image, "x", "latest");
    registry.intercept = [&storage](http::Request& request, http::Response& response) -> async::Task<bool> {
        if (request.headers.get("Authorization").empty()) {
            response.status = 401;
            response.headers.set("WWW-Authenticate", "Basic realm=\"r\"");
            co_await response.send();
            co_return true;
        }
        if (request.path.find("/blobs/") == std::string::npos) co_return false;
        response.status = 307;
        response.headers.set("Location", storage.url() + request.target);
        co_await response.send();
        co_return true;
    };
    spec::Credentials credentials;
    credentials.username = "user";
    credentials.password = "secret";
    world.pull(registry.name("x"), credentials);
    EXPECT_EQ(storage.count("blobs/"), 4u);
    EXPECT_EQ(storage.count("Basic"), 0u);
    EXPECT_GE(registry.count("Basic dXNlcjpzZWNyZXQ="), 5u);
}

}  // namespace
}  // namespace berth::registry::test
