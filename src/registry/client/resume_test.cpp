// SPDX-License-Identifier: Apache-2.0
// Connections that break, and what is brought once more.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/client/registry_fixture.h"

namespace berth::registry::test {
namespace {

using ::testing::HasSubstr;
using Phase = Progress::Phase;

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

}  // namespace
}  // namespace berth::registry::test
