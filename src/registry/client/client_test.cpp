// SPDX-License-Identifier: Apache-2.0
// Pulls and pushes against a registry that misbehaves as it is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/client/registry_fixture.h"

namespace berth::registry::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Phase = Progress::Phase;

class RegistryClient : public ::testing::Test {
  protected:
    std::string failure(const spec::Reference& name,
                        std::optional<spec::Credentials> credentials = std::nullopt) {
        try {
            world.pull(name, std::move(credentials));
        } catch (const Error& error) {
            return error.what();
        }
        return "no failure";
    }
    /// What the store holds of an image, or its ingests, after a failure.
    void expect_nothing_left() {
        EXPECT_TRUE(world.store().list({}).empty());
        EXPECT_TRUE(world.store().blobs().list().empty());
        EXPECT_TRUE(world.store().snapshots().layers().empty());
        UniqueFd ingest = sys::open_file(world.root() + "/root/ingest", O_RDONLY | O_DIRECTORY);
        EXPECT_THAT(sys::list_dir(ingest.get()), ElementsAre());
    }

    RegistryWorld world;
    FakeRegistry registry{world.context};
    TestImage image =
        make_image({make_tar({{"a", "1"}}), make_tar({{"b", noise(300'000)}}), make_tar({{"c", "3"}})});
};

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

// --- refused
// -------------------------------------------------------------------------------------------------------

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

// --- authentication
// ------------------------------------------------------------------------------------------------

/// Tokens t1, t2 …; each is good for `uses` requests.
struct TokenServer {
    FakeRegistry& registry;
    int made = 0, uses = 1000, left = 0;
    std::string last_query = {}, last_authorization = {}, last_body = {};

    async::Task<bool> operator()(http::Request& request, http::Response& response) {
        if (request.path == "/token") {
            last_query = request.target;
            last_authorization = request.headers.get("Authorization");
            last_body = co_await request.read_all(1 << 16);
            left = uses;
            std::string body = fmt::format(R"({{"token":"t{}","expires_in":300}})", ++made);
            co_await response.send(std::move(body));
            co_return true;
        }
        if (made > 0 && left > 0 &&
            request.headers.get("Authorization") == "Bearer t" + std::to_string(made)) {
            --left;
            co_return false;
        }
        response.status = 401;
        response.headers.set("WWW-Authenticate",
                             fmt::format(R"(Bearer realm="{}/token",service="s v",scope="repository:x:pull")",
                                         registry.url()));
        co_await response.send();
        co_return true;
    }
};

TEST_F(RegistryClient, TokenIsFetchedOnceForAScope) {
    registry.add(image, "x", "latest");
    TokenServer tokens{registry};
    registry.intercept = std::ref(tokens);
    world.pull(registry.name("x"));
    EXPECT_EQ(tokens.made, 1);
    EXPECT_THAT(tokens.last_query, HasSubstr("service=s%20v"));
    EXPECT_THAT(tokens.last_query, HasSubstr("scope=repository%3Ax%3Apull"));
    EXPECT_EQ(tokens.last_authorization, "");
}

TEST_F(RegistryClient, TokenThatExpiresInTheMiddleIsRenewed) {
    registry.add(image, "x", "latest");
    TokenServer tokens{registry};
    tokens.uses = 2;
    registry.intercept = std::ref(tokens);
    world.pull(registry.name("x"));
    EXPECT_GE(tokens.made, 2);
    EXPECT_EQ(world.store().list({}).size(), 1u);
}

TEST_F(RegistryClient, IdentityTokenIsExchanged) {
    registry.add(image, "x", "latest");
    TokenServer tokens{registry};
    registry.intercept = std::ref(tokens);
    spec::Credentials credentials;
    credentials.identity_token = "refresh me";
    world.pull(registry.name("x"), credentials);
    EXPECT_THAT(tokens.last_body, HasSubstr("grant_type=refresh_token"));
    EXPECT_THAT(tokens.last_body, HasSubstr("refresh_token=refresh%20me"));
}

TEST_F(RegistryClient, TokensThatAreNeverGoodEnoughEndTheLoop) {
    registry.add(image, "x", "latest");
    TokenServer tokens{registry};
    tokens.uses = 0;
    registry.intercept = std::ref(tokens);
    EXPECT_THAT(failure(registry.name("x")), HasSubstr("unauthorized: authentication required"));
    EXPECT_LE(tokens.made, 3);
    expect_nothing_left();
}

TEST_F(RegistryClient, InsufficientScopeIsAccessDenied) {
    registry.intercept = [](http::Request&, http::Response& response) -> async::Task<bool> {
        response.status = 401;
        response.headers.set("WWW-Authenticate",
                             R"(Bearer realm="http://127.0.0.1:1/none",error="insufficient_scope")");
        co_await response.send();
        co_return true;
    };
    spec::Credentials credentials;
    credentials.registry_token = "given";
    EXPECT_THAT(failure(registry.name("x"), credentials), HasSubstr("pull access denied for"));
}

TEST_F(RegistryClient, PasswordsAreNeededAndMayBeWrong) {
    registry.intercept = [](http::Request&, http::Response& response) -> async::Task<bool> {
        response.status = 401;
        response.headers.set("WWW-Authenticate", "Basic realm=x");
        co_await response.send();
        co_return true;
    };
    EXPECT_THAT(failure(registry.name("x")), HasSubstr("no basic auth credentials"));
    spec::Credentials credentials;
    credentials.username = "u";
    EXPECT_THAT(failure(registry.name("x"), credentials), HasSubstr("unauthorized"));
    std::string said;
    try {
        world.context.block_on(world.client().login(registry.authority(), credentials));
    } catch (const Error& error) {
        said = error.what();
    }
    EXPECT_EQ(said, "login attempt to " + registry.url() + "/v2/ failed with status: 401 Unauthorized");
}

// --- breaks and resumption
// -----------------------------------------------------------------------------------------

/// Cuts the first `cuts` bodies of the blob after `bytes` bytes.
struct Cutter {
    FakeRegistry& registry;
    std::string digest;
    int cuts = 1;
    size_t bytes = 100'000;
    bool stall = false;
    async::Event* never = nullptr;

    async::Task<bool> operator()(http::Request& request, http::Response& response) {
        if (request.path.find(digest) == std::string::npos || cuts == 0) co_return false;
        std::string_view range = request.headers.get("Range");
        size_t from = 0;
        const std::string& all = registry.blobs[digest];
        if (range.starts_with("bytes=") && registry.ranges) {
            from = *parse_number<uint64_t>(range.substr(6, range.find('-') - 6));
            response.status = 206;
            response.headers.set("Content-Range",
                                 fmt::format("bytes {}-{}/{}", from, all.size() - 1, all.size()));
        }
        --cuts;
        response.headers.set("Content-Length", std::to_string(all.size() - from));
        co_await response.start();
        std::string part = all.substr(from, bytes);
        co_await response.write(part);
        if (stall) co_await never->wait();
        throw Error(ErrorKind::internal, "cut");
    }
};

TEST_F(RegistryClient, BrokenConnectionGoesOnWhereItStood) {
    registry.add(image, "x", "latest");
    Cutter cutter{registry, Digest::of(image.layers[1]).text()};
    cutter.cuts = 2;
    registry.intercept = std::ref(cutter);
    world.pull(registry.name("x"));
    EXPECT_EQ(registry.count(cutter.digest), 3u);
    EXPECT_EQ(registry.count("bytes=100000-"), 1u);
    EXPECT_EQ(registry.count("bytes=200000-"), 1u);
    EXPECT_GE(world.count(Phase::retrying), 2u);
}

TEST_F(RegistryClient, StalledConnectionGoesOnWhereItStood) {
    registry.add(image, "x", "latest");
    async::Event never(world.context);
    Cutter cutter{registry, Digest::of(image.layers[1]).text()};
    cutter.stall = true;
    cutter.never = &never;
    registry.intercept = std::ref(cutter);
    world.pull(registry.name("x"));
    EXPECT_EQ(registry.count("bytes=100000-"), 1u);
    never.set();
}

TEST_F(RegistryClient, RegistryThatNeverComesBackEndsWithItsNameAndStep) {
    registry.add(image, "x", "latest");
    Cutter cutter{registry, Digest::of(image.layers[1]).text()};
    cutter.cuts = 1000;
    cutter.bytes = 0;
    registry.intercept = std::ref(cutter);
    std::string said = failure(registry.name("x"));
    EXPECT_THAT(said, HasSubstr("pulling " + registry.name("x:latest").familiar() + ": layer 2 of 3"));
    EXPECT_EQ(registry.count(cutter.digest), world.config.max_attempts);
    EXPECT_TRUE(world.store().list({}).empty());
}

TEST_F(RegistryClient, ALaterPullResumes) {
    registry.add(image, "x", "latest");
    Cutter cutter{registry, Digest::of(image.layers[1]).text()};
    cutter.cuts = 1000;
    world.config.max_attempts = 1;
    registry.intercept = std::ref(cutter);
    EXPECT_THAT(failure(registry.name("x")), HasSubstr("layer 2 of 3"));
    registry.intercept = nullptr;
    registry.log.clear();
    world.pull(registry.name("x"));
    EXPECT_EQ(registry.count("bytes=100000-"), 1u);
}

TEST_F(RegistryClient, ResumedBlobThatIsWrongIsFetchedAnewOnce) {
    registry.add(image, "x", "latest");
    std::string digest = Digest::of(image.layers[1]).text();
    {
        store::Lease lease = world.store().blobs().lease("test");
        auto ingest = world.store().blobs().ingest(lease, digest.substr(7), image.layers[1].size(),
                                                   std::chrono::seconds(1));
        std::string wrong(5000, 'x');
        ingest->write_at(0, sys::bytes_of(wrong));
    }
    world.pull(registry.name("x"));
    EXPECT_EQ(registry.count("bytes=5000-"), 1u);
    EXPECT_EQ(registry.count(digest), 2u);
}

TEST_F(RegistryClient, IgnoredRangeStartsFromTheBeginning) {
    registry.add(image, "x", "latest");
    registry.ranges = false;
    Cutter cutter{registry, Digest::of(image.layers[1]).text()};
    registry.intercept = std::ref(cutter);
    world.pull(registry.name("x"));
    EXPECT_EQ(registry.count(cutter.digest), 2u);
}

TEST_F(RegistryClient, RefusedRangeStartsFromTheBeginning) {
    registry.add(image, "x", "latest");
    Cutter cutter{registry, Digest::of(image.layers[1]).text()};
    registry.intercept = [&cutter](http::Request& request, http::Response& response) -> async::Task<bool> {
        if (!request.headers.get("Range").empty()) {
            response.status = 416;
            co_await response.send();
            co_return true;
        }
        bool answered = co_await cutter(request, response);
        co_return answered;
    };
    world.pull(registry.name("x"));
    EXPECT_EQ(world.store().list({}).size(), 1u);
}

TEST_F(RegistryClient, BigLayersComeInParallelRanges) {
    TestImage big = make_image({make_tar({{"big", noise(40 << 20)}})});
    registry.add(big, "x", "latest");
    world.config.parallel_range_threshold = 1 << 20;
    world.pull(registry.name("x"));
    EXPECT_GE(registry.count("bytes="), 5u);
}

TEST_F(RegistryClient, BigLayersWithoutRangesComeInOnePiece) {
    TestImage big = make_image({make_tar({{"big", noise(20 << 20)}})});
    registry.add(big, "x", "latest");
    registry.ranges = false;
    world.config.parallel_range_threshold = 1 << 20;
    world.pull(registry.name("x"));
    EXPECT_EQ(registry.count("blobs/" + Digest::of(big.layers[0]).text()), 1u);
}

TEST_F(RegistryClient, BusyRegistryIsAskedAgain) {
    registry.add(image, "x", "latest");
    int refusals = 3;
    registry.intercept = [&refusals](http::Request&, http::Response& response) -> async::Task<bool> {
        if (refusals == 0) co_return false;
        --refusals;
        response.status = refusals == 1 ? 429 : 503;
        response.headers.set("Retry-After", "0");
        co_await response.send();
        co_return true;
    };
    world.pull(registry.name("x"));
    EXPECT_EQ(world.store().list({}).size(), 1u);
}

TEST_F(RegistryClient, RateLimitSaysSo) {
    registry.intercept = [](http::Request&, http::Response& response) -> async::Task<bool> {
        response.headers.set("Retry-After", "21600");
        co_await FakeRegistry::fail(response, 429, "TOOMANYREQUESTS",
                                    "You have reached your pull rate limit.");
        co_return true;
    };
    EXPECT_THAT(failure(registry.name("x")),
                HasSubstr("toomanyrequests: You have reached your pull rate limit."));
}

// --- mirrors
// -------------------------------------------------------------------------------------------------------

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

// --- tags
// ----------------------------------------------------------------------------------------------------------

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

// --- push
// ----------------------------------------------------------------------------------------------------------

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
