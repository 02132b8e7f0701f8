// SPDX-License-Identifier: Apache-2.0
#include "store/store_fixture.h"

namespace berth::store {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

namespace {

const std::string kDigest = "sha256:" + std::string(64, 'd');

std::string lines(const std::vector<Removed>& removed) {
    std::string text;
    for (const Removed& one : removed)
        text += one.untagged.empty() ? fmt::format("D {}\n", Digest::parse(one.deleted).short_hex())
                                     : fmt::format("U {}\n", one.untagged);
    return text;
}

class ImageRemoval : public StoreTest {
  protected:
    void SetUp() override {
        StoreTest::SetUp();
        if (!store) return;
        options.used_by = [this](const Digest& id, bool& is_running) -> std::optional<std::string> {
            is_running = running;
            if (id == used) return "0123456789ab";
            return std::nullopt;
        };
    }
    /// What `rmi` prints, or why not; ids as their first digits.
    std::string remove(std::string_view text, bool force = false) {
        options.force = force;
        try {
            return lines(store->remove(text, options));
        } catch (const Error& error) {
            return fmt::format("{}: {}", to_string(error.kind()), error.what());
        }
    }
    void expect_empty() {
        EXPECT_THAT(store->list({.all = true}), IsEmpty());
        EXPECT_THAT(store->blobs().list(), IsEmpty());
        EXPECT_THAT(store->snapshots().layers(), IsEmpty());
        EXPECT_THAT(names_in(root() + "/l"), SizeIs(1));
    }

    RemoveOptions options;
    Digest used;
    bool running = false;
};

}  // namespace

TEST_F(ImageRemoval, ByItsOnlyName) {
    Image image =
        make_image(*store, {.layers = {{{"a", "1"}}, {{"b", "2"}}}, .names = {"app", "app@" + kDigest}});
    EXPECT_EQ(remove("app"),
              fmt::format("U app:latest\nU app@{}\nD {}\nD {}\nD {}\n", kDigest, image.id.short_hex(),
                          image.chain_ids[1].short_hex(), image.chain_ids[0].short_hex()));
    expect_empty();
    EXPECT_EQ(remove("app"), "not found: No such image: app:latest");
}

TEST_F(ImageRemoval, OneOfSeveralNamesOnlyUntags) {
    make_image(*store, {.names = {"app", "app:2", "other:3", "app@" + kDigest}});
    EXPECT_EQ(remove("app"), "U app:latest\n");
    // With the last tag of the repository, its digest.
    EXPECT_EQ(remove("app:2"), fmt::format("U app:2\nU app@{}\n", kDigest));
    EXPECT_THAT(remove("other:3"), testing::StartsWith("U other:3\nD "));
    expect_empty();
}

TEST_F(ImageRemoval, ByIdWithSeveralNames) {
    Image image = make_image(*store, {.names = {"app", "other"}});
    std::string id(image.id.short_hex());
    EXPECT_EQ(remove(id),
              fmt::format("conflict: conflict: unable to delete {} (must be forced) - image is referenced "
                          "in multiple repositories",
                          id));
    EXPECT_THAT(remove(id, true),
                testing::StartsWith(fmt::format("U app:latest\nU other:latest\nD {}\n", id)));
    expect_empty();
}

TEST_F(ImageRemoval, ByIdWithTheNamesOfOneRepository) {
    Image image = make_image(*store, {.names = {"app", "app@" + kDigest}});
    EXPECT_THAT(remove(image.id.text()), testing::StartsWith(fmt::format("U app:latest\nU app@{}\nD {}\n",
                                                                         kDigest, image.id.short_hex())));
    expect_empty();
}

TEST_F(ImageRemoval, OfAStoppedContainer) {
    Image image = make_image(*store, {.names = {"app"}});
    used = image.id;
    std::string id(image.id.short_hex());
    EXPECT_EQ(remove("app"),
              fmt::format("conflict: conflict: unable to remove repository reference \"app\" (must "
                          "force) - container 0123456789ab is using its referenced image {}",
                          id));
    EXPECT_EQ(remove(id),
              fmt::format("conflict: conflict: unable to delete {} (must be forced) - image is being used "
                          "by stopped container 0123456789ab",
                          id));
    EXPECT_THAT(remove("app", true), HasSubstr("D " + id));
    expect_empty();
}

TEST_F(ImageRemoval, OfARunningContainer) {
    Image image = make_image(*store, {.names = {"app"}});
    used = image.id;
    running = true;
    std::string id(image.id.short_hex());
    EXPECT_EQ(remove(id, true),
              fmt::format("conflict: conflict: unable to delete {} (cannot be forced) - image is "
                          "being used by running container 0123456789ab",
                          id));
    EXPECT_EQ(remove("app", true), "U app:latest\n");  // the name goes, the image stays
    EXPECT_TRUE(store->find(image.id));
}

TEST_F(ImageRemoval, ParentsAndChildren) {
    Image base = make_image(*store, {.layers = {{{"a", "1"}}}, .names = {"base"}, .comment = "base"});
    Image step =
        make_image(*store, {.layers = {{{"a", "1"}}, {{"b", "2"}}}, .comment = "step", .parent = base.id});
    Image child = make_image(
        *store,
        {.layers = {{{"a", "1"}}, {{"b", "2"}}, {{"c", "3"}}}, .names = {"child"}, .parent = step.id});
    EXPECT_EQ(
        remove(base.id.text()),
        fmt::format(
            "conflict: conflict: unable to delete {} (cannot be forced) - image has dependent child images",
            base.id.short_hex()));
    EXPECT_EQ(remove("base"), "U base:latest\n");
    store->tag(base, spec::Reference::parse("base"));
    // The step, which nothing names, goes with its child; the base has a name.
    EXPECT_EQ(remove("child"), fmt::format("U child:latest\nD {}\nD {}\nD {}\nD {}\n", child.id.short_hex(),
                                           child.chain_ids[2].short_hex(), step.id.short_hex(),
                                           step.chain_ids[1].short_hex()));
    EXPECT_THAT(store->list({.all = true}), SizeIs(1));
    EXPECT_THAT(remove("base"), HasSubstr("D "));
    expect_empty();
}

TEST_F(ImageRemoval, ParentsStayWhereNotPruned) {
    Image step = make_image(*store, {.comment = "step"});
    make_image(*store, {.names = {"child"}, .parent = step.id});
    options.prune_parents = false;
    remove("child");
    EXPECT_TRUE(store->find(step.id));
}

TEST_F(ImageRemoval, SharedLayersStay) {
    make_image(*store, {.layers = {{{"a", "1"}}}, .names = {"one"}, .comment = "1"});
    Image two = make_image(*store, {.layers = {{{"a", "1"}}}, .names = {"two"}, .comment = "2"});
    EXPECT_EQ(split(remove("one"), '\n').size(), 3u);  // the name, the image, and nothing after the last line
    EXPECT_TRUE(store->snapshots().find_layer(*two.top_chain_id()));
    EXPECT_TRUE(store->blobs().find(two.layers[0].blob.digest));
}

TEST_F(ImageRemoval, APulledImageIsSafeFromCollection) {
    Lease lease = store->blobs().lease("pull");
    make_image(*store, {.names = {"app"}});
    Image image = store->get("app");
    ASSERT_TRUE(store->snapshots().protect_layer(lease, *image.top_chain_id()));
    ASSERT_TRUE(store->blobs().protect(lease, image.layers[0].blob.digest));
    remove("app");
    EXPECT_TRUE(store->snapshots().find_layer(*image.top_chain_id()));
    EXPECT_TRUE(store->blobs().find(image.layers[0].blob.digest));
    {
        Lease ended = std::move(lease);
    }
    EXPECT_GT(store->collect(), 0u);
    expect_empty();
}

TEST_F(ImageRemoval, PruneDangling) {
    make_image(*store, {.names = {"named"}, .comment = "named"});
    Image dangling =
        make_image(*store, {.layers = {{{"big", std::string(100'000, 'x')}}}, .comment = "dangling"});
    make_image(*store, {.names = {"pinned@" + kDigest}, .comment = "pinned"});
    Image in_use = make_image(*store, {.comment = "in use"});
    used = in_use.id;
    PruneResult result = store->prune({}, true, options);
    EXPECT_THAT(lines(result.removed), HasSubstr(fmt::format("D {}\n", dangling.id.short_hex())));
    EXPECT_THAT(lines(result.removed), HasSubstr("U pinned@" + kDigest));
    EXPECT_GT(result.reclaimed_bytes, 100'000u);
    EXPECT_THAT(store->list({.all = true}), SizeIs(2));
}

TEST_F(ImageRemoval, PruneAll) {
    make_image(*store, {.names = {"one", "one:2"}, .labels = {{"keep", "no"}}, .comment = "one"});
    Image step = make_image(*store, {.comment = "step"});
    make_image(*store, {.names = {"two"}, .comment = "two", .parent = step.id});
    Image in_use = make_image(*store, {.names = {"used"}, .comment = "used"});
    used = in_use.id;
    PruneResult result = store->prune({.labels = {"keep=no"}}, false, options);
    EXPECT_THAT(lines(result.removed), HasSubstr("U one:2\n"));
    EXPECT_THAT(store->list({.all = true}), SizeIs(3));
    store->prune({.until_ns = 0}, false, options);
    EXPECT_THAT(store->list({.all = true}), SizeIs(3));
    store->prune({}, false, options);
    EXPECT_THAT(store->list({.all = true}), SizeIs(1));
    EXPECT_EQ(store->get("used").id, in_use.id);
}

}  // namespace berth::store
