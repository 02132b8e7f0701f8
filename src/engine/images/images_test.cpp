// SPDX-License-Identifier: Apache-2.0
#include "engine/images/images.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/images/run_config.h"
#include "engine/images/views.h"
#include "engine/state/state_db.h"
#include "store/store_fixture.h"

namespace berth::engine {
namespace {

using store::ImageOptions;
using store::make_image;

/// One context plays both parts, so that all is on the test's thread.
class ImagesTest : public store::StoreTest {
  protected:
    void SetUp() override {
        store::StoreTest::SetUp();
        if (!store) open();
        database.emplace(context, folder.path() + "/engine.db");
        events.emplace(context, *database);
        Images::Options options;
        options.users = [this] { return users; };
        images.emplace(context, context, *store, *events, options);
    }
    void TearDown() override {
        images.reset();
        events.reset();
        database.reset();
    }

    template <typename T>
    T run(async::Task<T> task) {
        return context.block_on(std::move(task));
    }
    std::vector<std::string> actions() {
        // What was posted from the pool comes first.
        run(async::sleep_for(std::chrono::milliseconds(0)));
        std::vector<std::string> result;
        for (const auto& event : events->past({}, {}))
            result.push_back(event->action + ' ' + event->attributes.at("name"));
        return result;
    }
    /// A body in pieces of `step` bytes.
    static BodyReader body_of(std::string text, size_t step = 1000) {
        auto rest = std::make_shared<std::string>(std::move(text));
        return [rest, step](std::span<std::byte> into) { return next_piece(rest, step, into); };
    }
    static async::Task<size_t> next_piece(std::shared_ptr<std::string> rest, size_t step,
                                          std::span<std::byte> into) {
        size_t n = std::min({rest->size(), step, into.size()});
        std::memcpy(into.data(), rest->data(), n);
        rest->erase(0, n);
        co_return n;
    }
    static async::Task<void> nothing() { co_return; }
    static async::Task<void> append(std::string* to, std::span<const std::byte> data) {
        to->append(reinterpret_cast<const char*>(data.data()), data.size());
        co_return;
    }
    std::string saved(std::vector<std::string> names) {
        std::string archive;
        run(images->save(
            std::move(names), [] { return nothing(); },
            [&](std::span<const std::byte> data) { return append(&archive, data); }));
        return archive;
    }

    async::Context context;
    std::optional<StateDb> database;
    std::optional<Events> events;
    std::optional<Images> images;
    std::map<std::string, ImageUse> users;
    std::vector<std::string> lines;
    LineSink sink = [this](std::string line) { lines.push_back(std::move(line)); };
};

TEST_F(ImagesTest, ListsWithLabelsManifestsAndSharedSizes) {
    make_image(
        *store,
        {.layers = {{{"a", "1234"}}}, .names = {"one:1"}, .labels = {{"k", "v"}}, .with_manifest = true});
    make_image(*store, {.layers = {{{"a", "1234"}}, {{"b", "12"}}}, .names = {"two:1"}});
    ImageListOptions options;
    options.shared_size = options.manifests = options.containers = true;
    auto all = run(images->list(options));
    ASSERT_EQ(all.size(), 2u);
    auto& one = all[0].RepoTags == std::vector<std::string>{"one:1"} ? all[0] : all[1];
    auto& two = &one == &all[0] ? all[1] : all[0];
    EXPECT_EQ(one.Labels->at("k"), "v");
    EXPECT_FALSE(two.Labels);
    EXPECT_EQ(one.Size, 4);
    EXPECT_EQ(two.Size, 6);
    EXPECT_EQ(one.SharedSize, 4);
    EXPECT_EQ(two.SharedSize, 4);
    EXPECT_EQ(one.Containers, 0);
    ASSERT_TRUE(one.Descriptor);
    ASSERT_EQ(one.Manifests.size(), 1u);
    EXPECT_EQ(one.Manifests[0].Kind, "image");
    EXPECT_GT(one.Manifests[0].Size.Total, one.Manifests[0].Size.Content);

    ImageListOptions filtered;
    filtered.filters.add("reference", "two");
    EXPECT_EQ(run(images->list(filtered)).size(), 1u);
    filtered.filters.add("colour", "red");
    EXPECT_THROW(run(images->list(filtered)), Error);
}

TEST_F(ImagesTest, InspectsAndRefusesOtherPlatforms) {
    auto image = make_image(*store, {.names = {"one:1"}, .comment = "made"});
    auto details = run(images->inspect("one:1", false, {}));
    EXPECT_EQ(details.image.Id, image.id.text());
    EXPECT_EQ(details.image.Created, "2024-01-01T00:00:00Z");
    EXPECT_EQ(details.image.RootFS.Layers.size(), 1u);
    EXPECT_EQ(details.image.GraphDriver_.Name, "overlay2");
    ASSERT_TRUE(details.image.GraphDriver_.Data);
    EXPECT_TRUE(details.image.GraphDriver_.Data->contains("UpperDir"));
    try {
        run(images->inspect("one:1", false, spec::Platform::parse("linux/s390x")));
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::not_found);
        EXPECT_THAT(error.what(), testing::HasSubstr("does not match the specified platform (linux/s390x)"));
    }
    try {
        run(images->resolve("absent", {}));
        FAIL();
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "No such image: absent:latest");
    }
    EXPECT_EQ(run(images->resolve("one:1", {}))->image.id, image.id);
}

TEST_F(ImagesTest, APushedImageIsKnownByItsDigest) {
    auto image = make_image(*store, {.names = {"one:1"}});
    spec::Reference pushed = spec::Reference::parse("one").with_digest(image.id);
    store->record_digest(image, pushed);
    EXPECT_EQ(run(images->inspect("one:1", false, {})).image.RepoDigests,
              std::vector<std::string>{pushed.familiar()});
    EXPECT_EQ(run(images->resolve(pushed.familiar(), {}))->image.id, image.id);
    EXPECT_THROW(store->record_digest(image, spec::Reference::parse("one:2")), Error);
}

TEST_F(ImagesTest, RemovalTellsOfNamesAndImagesAndWhoUsesThem) {
    auto image = make_image(*store, {.names = {"one:1"}});
    run(images->tag("one:1", spec::Reference::parse("other:2")));
    users[image.id.text()] = {.container_id = std::string(64, 'c'), .running = true};
    auto items = run(images->remove("other:2", {}));
    ASSERT_EQ(items.size(), 1u);
    EXPECT_EQ(items[0].Untagged, "other:2");
    try {
        run(images->remove("one:1", {}));
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::conflict);
        EXPECT_THAT(error.what(), testing::HasSubstr("container cccccccccccc is using its referenced image"));
    }
    users.clear();
    items = run(images->remove("one:1", {}));
    EXPECT_EQ(items[0].Untagged, "one:1");
    EXPECT_EQ(items[1].Deleted, image.id.text());
    EXPECT_EQ(actions(), (std::vector<std::string>{"tag other:2", "untag " + image.id.text(),
                                                   "untag " + image.id.text(), "delete " + image.id.text()}));
}

TEST_F(ImagesTest, PruneTakesDanglingOnesUnlessToldOtherwise) {
    make_image(*store, {.layers = {{{"a", "1"}}}, .names = {"one:1"}});
    auto dangling = make_image(*store, {.layers = {{{"b", "22"}}}, .names = {}});
    auto report = run(images->prune({}));
    ASSERT_TRUE(report.ImagesDeleted);
    EXPECT_EQ(report.ImagesDeleted->front().Deleted, dangling.id.text());
    EXPECT_GT(report.SpaceReclaimed, 0u);
    EXPECT_FALSE(run(images->prune({})).ImagesDeleted);
    spec::api::Filters all;
    all.add("dangling", "false");
    EXPECT_TRUE(run(images->prune(all)).ImagesDeleted);
    EXPECT_EQ(run(images->count()), 0);
}

TEST_F(ImagesTest, WhatIsSavedCanBeLoaded) {
    auto image = make_image(*store, {.layers = {{{"a", std::string(100'000, 'x')}}}, .names = {"one:1"}});
    std::string archive = saved({"one:1"});
    run(images->remove("one:1", {}));
    run(images->load(body_of(archive), {.platform = {}, .quiet = false}, sink));
    EXPECT_EQ(lines.back(), "{\"stream\":\"Loaded image: one:1\\n\"}\r\n");
    EXPECT_THAT(lines.front(), testing::HasSubstr("Loading layer"));
    EXPECT_EQ(run(images->resolve("one:1", {}))->image.id, image.id);
    EXPECT_THROW(saved({"absent"}), Error);
}

async::Task<size_t> break_off() {
    throw Error(ErrorKind::unavailable, "the client has gone");
    co_return 0;
}

TEST_F(ImagesTest, ABodyThatIsCutOffLoadsNothing) {
    make_image(*store, {.layers = {{{"a", std::string(100'000, 'x')}}}, .names = {"one:1"}});
    std::string archive = saved({"one:1"});
    run(images->remove("one:1", {}));
    auto rest = body_of(archive.substr(0, archive.size() / 2));
    size_t given = 0;
    BodyReader broken = [&](std::span<std::byte> into) {
        if (given >= archive.size() / 2) return break_off();
        given += std::min<size_t>(1000, archive.size() / 2 - given);
        return rest(into);
    };
    EXPECT_THROW(run(images->load(broken, {}, sink)), Error);
    EXPECT_EQ(run(images->count()), 0);
    EXPECT_THROW(run(images->load(body_of("this is no archive at all"), {}, sink)), Error);
}

TEST_F(ImagesTest, ImportMakesAnImageOfATree) {
    ImportRequest request;
    request.source = "-";
    request.name = spec::Reference::parse("tree");
    request.changes = {"CMD [\"/a\"]"};
    run(images->import(body_of(store::make_tar({{"a", "1"}, {"d/", ""}})), request, sink));
    auto facts = run(images->resolve("tree:latest", {}));
    ASSERT_EQ(lines.size(), 1u);
    EXPECT_EQ(lines[0], "{\"status\":\"" + facts->image.id.text() + "\"}\r\n");
    EXPECT_EQ(facts->config.config.Cmd, std::vector<std::string>{"/a"});
    EXPECT_EQ(facts->config.history.front().comment, "Imported from -");
}

TEST_F(ImagesTest, CommitAddsALayerAndAConfiguration) {
    auto base = make_image(*store, {.names = {"one:1"}});
    store->snapshots().create("box", base.top_chain_id(), {});
    CommitRequest request;
    request.snapshot = "box";
    request.base = base.id.text();
    request.config.Cmd = {"run"};
    request.created_by = "sh -c x";
    request.author = "me";
    request.name = spec::Reference::parse("made");
    std::string id = run(images->commit(request));
    auto facts = run(images->resolve("made", {}));
    EXPECT_EQ(facts->image.id.text(), id);
    EXPECT_EQ(facts->image.parent, base.id);
    EXPECT_EQ(facts->image.layers.size(), base.layers.size() + 1);
    EXPECT_EQ(facts->config.author, "me");
    EXPECT_EQ(facts->config.history.back().created_by, "sh -c x");
    EXPECT_EQ(facts->config.config.Cmd, std::vector<std::string>{"run"});
}

TEST(RunConfig, ThereAndBack) {
    spec::ImageRunConfig run;
    run.User = "u";
    run.Env = {"A=1"};
    run.Cmd = std::vector<std::string>{"c"};
    run.ExposedPorts["80/tcp"] = json::Object();
    run.Volumes["/v"] = json::Object();
    run.Labels["l"] = "x";
    run.Healthcheck_.emplace().Test = {"CMD", "x"};
    run.StopSignal = "SIGINT";
    run.Shell = {"/bin/sh"};
    spec::ImageRunConfig back = run_config_of(container_config_of(run));
    EXPECT_EQ(spec::print_image_config({.config = back}), spec::print_image_config({.config = run}));
    EXPECT_EQ(image_view_of(run).Volumes.count("/v"), 1u);
}

}  // namespace
}  // namespace berth::engine
