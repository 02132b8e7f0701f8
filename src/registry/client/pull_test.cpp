// SPDX-License-Identifier: Apache-2.0
// Pulls of what there is, and how they are told; mirrors; tags.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/client/registry_fixture.h"

namespace berth::registry::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Phase = Progress::Phase;

TEST_F(RegistryClient, PullsByTagInDockersWords) {
    registry.add(image, "library/x", "1.0");
    auto name = registry.name("library/x:1.0");
    PullResult result = world.pull(name);
    EXPECT_EQ(result.manifest, image.digest());
    EXPECT_EQ(result.image, image.id());
    EXPECT_FALSE(result.up_to_date);
    EXPECT_THAT(world.messages(),
                ElementsAre("1.0: Pulling from library/x", "Digest: " + image.digest().text(),
                            "Status: Downloaded newer image for " + name.familiar()));
    EXPECT_EQ(world.count(Phase::pull_complete), 3u);
    auto found = world.store().get(name.text());
    EXPECT_EQ(found.id, image.id());
    EXPECT_EQ(found.layers.size(), 3u);
    EXPECT_THAT(found.digests, ElementsAre(name.with_digest(image.digest())));
}

TEST_F(RegistryClient, SecondPullIsUpToDateAndFetchesNoLayer) {
    registry.add(image, "x", "latest");
    world.pull(registry.name("x"));
    registry.log.clear();
    PullResult again = world.pull(registry.name("x"));
    EXPECT_TRUE(again.up_to_date);
    EXPECT_THAT(world.messages().back(), HasSubstr("Status: Image is up to date for"));
    EXPECT_EQ(registry.count("GET /v2/x/blobs/"), 1u);  // the configuration
}

TEST_F(RegistryClient, ChoosesThePlatformOfAnIndex) {
    TestImage other = make_image({make_tar({{"arm", "1"}})}, "arm64");
    registry.add(image, "x", "amd");
    registry.add(other, "x", "arm");
    spec::Index index;
    index.mediaType = spec::media::kOciIndex;
    for (const TestImage* each : {&other, &image}) {
        spec::Descriptor entry;
        entry.mediaType = spec::media::kOciManifest;
        entry.digest = each->digest();
        entry.size = static_cast<int64_t>(each->manifest.size());
        entry.platform = spec::Platform::parse(each == &image ? "linux/amd64" : "linux/arm64");
        index.manifests.push_back(entry);
    }
    std::string text = spec::print_index(index);
    registry.add_manifest(text, index.mediaType, "x", "latest");
    PullResult result = world.pull(registry.name("x"));
    EXPECT_EQ(result.manifest, Digest::of(text));
    EXPECT_EQ(result.image, image.id());
    EXPECT_TRUE(world.pull(registry.name("x")).up_to_date);
}

TEST_F(RegistryClient, IdenticalLayersAreFetchedOnce) {
    std::string tar = make_tar({{"same", noise(50'000)}});
    TestImage doubled = make_image({tar, make_tar({{"other", "1"}}), tar});
    registry.add(doubled, "x", "latest");
    world.pull(registry.name("x"));
    EXPECT_EQ(registry.count("blobs/" + Digest::of(doubled.layers[0]).text()), 1u);
}

async::Task<void> pull_one(Client& client, store::Store& store, spec::Reference name) {
    PullOptions options;
    options.platform = spec::Platform::parse("linux/amd64");
    co_await client.pull(store, std::move(name), {}, std::move(options));
}

TEST_F(RegistryClient, TwoPullsAtTheSameTimeShareTheirLayers) {
    std::string base = make_tar({{"base", noise(200'000)}});
    TestImage one = make_image({base, make_tar({{"one", "1"}})}),
              two = make_image({base, make_tar({{"two", "2"}})});
    registry.add(one, "one", "latest");
    registry.add(two, "two", "latest");
    std::vector<async::Task<void>> pulls;
    pulls.push_back(pull_one(world.client(), world.store(), registry.name("one")));
    pulls.push_back(pull_one(world.client(), world.store(), registry.name("two")));
    world.context.block_on(async::all_of(std::move(pulls)));
    EXPECT_EQ(registry.count("blobs/" + Digest::of(one.layers[0]).text()), 1u);
    EXPECT_EQ(world.store().list({}).size(), 2u);
}

TEST_F(RegistryClient, MirrorIsAskedInsteadOfTheHub) {
    registry.add(image, "library/x", "latest");
    FakeRegistry broken(world.context);
    broken.intercept = [](http::Request&, http::Response& response) -> async::Task<bool> {
        response.status = 500;
        co_await response.send();
        co_return true;
    };
    world.config.mirrors = {broken.url(), registry.url()};
    world.config.max_attempts = 1;
    PullResult result = world.pull(spec::Reference::parse("x"));
    EXPECT_EQ(result.image, image.id());
    EXPECT_GE(broken.count("manifests"), 1u);
    EXPECT_EQ(world.store().get("x").id, image.id());
}

TEST_F(RegistryClient, MirrorWithAWrongLayerIsPassedOver) {
    FakeRegistry wrong(world.context);
    wrong.add(image, "library/x", "latest");
    registry.add(image, "library/x", "latest");
    wrong.blobs[Digest::of(image.layers[1]).text()][1000] ^= 1;
    world.config.mirrors = {wrong.url(), registry.url()};
    world.pull(spec::Reference::parse("x"));
    EXPECT_EQ(world.store().list({}).size(), 1u);
}

TEST_F(RegistryClient, TagsOfAllPages) {
    registry.intercept = [](http::Request& request, http::Response& response) -> async::Task<bool> {
        if (request.path != "/v2/x/tags/list") co_return false;
        std::string last(request.query.get("last"));
        if (last != "c")
            response.headers.set(
                "Link", fmt::format("</v2/x/tags/list?last={}>; rel=\"next\"", last.empty() ? "b" : "c"));
        std::string body = last.empty()  ? R"({"tags":["a","b"]})"
                           : last == "b" ? R"({"tags":["c","../x"]})"
                                         : R"({"tags":null})";
        co_await response.send(std::move(body));
        co_return true;
    };
    EXPECT_THAT(world.context.block_on(world.client().tags(registry.name("x"), {})),
                ElementsAre("a", "b", "c"));
}

TEST_F(RegistryClient, HostileLinks) {
    std::string link;
    registry.intercept = [&link](http::Request& request, http::Response& response) -> async::Task<bool> {
        if (request.path.find("/tags/list") == std::string::npos) co_return false;
        response.headers.set("Link", link);
        co_await response.send(R"({"tags":["a"]})");
        co_return true;
    };
    auto said = [&] {
        try {
            world.context.block_on(world.client().tags(registry.name("x"), {}));
        } catch (const Error& error) {
            return std::string(error.what());
        }
        return std::string("no failure");
    };
    link = "<http://169.254.169.254/secret>; rel=\"next\"";
    EXPECT_THAT(said(), HasSubstr("the next page is at another host"));
    link = "</v2/x/tags/list?n=1000>; rel=\"next\"";
    EXPECT_THAT(said(), HasSubstr("the list does not end"));
}

TEST_F(RegistryClient, AllTagsHaveOneStatus) {
    registry.add(image, "x", "1");
    registry.add(make_image({make_tar({{"other", "2"}})}), "x", "2");
    registry.intercept = [](http::Request& request, http::Response& response) -> async::Task<bool> {
        if (request.path != "/v2/x/tags/list") co_return false;
        co_await response.send(R"({"tags":["1","2"]})");
        co_return true;
    };
    PullOptions options;
    options.all_tags = true;
    options.platform = spec::Platform::parse("linux/amd64");
    options.progress = [this](const Progress& told) { world.heard.push_back(told); };
    world.context.block_on(world.client().pull(world.store(), registry.name("x"), {}, options));
    EXPECT_EQ(world.store().list({}).size(), 2u);
    auto said = world.messages();
    ASSERT_EQ(said.size(), 5u);
    EXPECT_EQ(said[2], "2: Pulling from x");
    EXPECT_EQ(said[4], "Status: Downloaded newer image for " + registry.name("x").familiar());
}

TEST_F(RegistryClient, PullByDigestHasNoTag) {
    registry.add(image, "x", "latest");
    auto name = registry.name("x@" + image.digest().text());
    world.pull(name);
    EXPECT_EQ(world.messages().front(), name.text() + ": Pulling from x");
    EXPECT_TRUE(world.store().get(name.text()).tags.empty());
    EXPECT_TRUE(world.pull(name).up_to_date);
}

TEST_F(RegistryClient, ArtifactsAreKeptAsTheyAre) {
    spec::Manifest manifest;
    manifest.mediaType = spec::media::kOciManifest;
    manifest.artifactType = "application/vnd.example.thing";
    std::string content = "not a layer";
    manifest.config.mediaType = spec::media::kOciEmpty;
    manifest.config.digest = Digest::of("{}");
    manifest.config.size = 2;
    spec::Descriptor blob;
    blob.mediaType = "text/plain";
    blob.digest = Digest::of(content);
    blob.size = static_cast<int64_t>(content.size());
    manifest.layers.push_back(blob);
    registry.blobs[blob.digest.text()] = content;
    registry.blobs[manifest.config.digest.text()] = "{}";
    std::string text = spec::print_manifest(manifest);
    registry.add_manifest(text, manifest.mediaType, "x", "latest");
    world.pull(registry.name("x"));
    EXPECT_EQ(world.store().get(registry.name("x:latest").text()).kind, store::ImageKind::artifact);
    EXPECT_EQ(world.store().blobs().read(blob.digest), content);
    FakeRegistry other(world.context);
    world.store().tag(world.store().get(registry.name("x:latest").text()), other.name("y:1"));
    world.push(other.name("y:1"));
    EXPECT_EQ(other.manifests["y:1"].second, text);
    EXPECT_EQ(other.blobs[blob.digest.text()], content);
}

TEST_F(RegistryClient, PlatformThatWasAskedForMustBeTheImages) {
    registry.add(image, "x", "latest");
    PullOptions options;
    options.platform = spec::Platform::parse("linux/arm64");
    options.platform_given = true;
    try {
        world.context.block_on(world.client().pull(world.store(), registry.name("x"), {}, options));
        FAIL();
    } catch (const Error& error) {
        EXPECT_THAT(error.what(),
                    HasSubstr("was found but does not match the specified platform: wanted linux/arm64"));
    }
}

}  // namespace
}  // namespace berth::registry::test
