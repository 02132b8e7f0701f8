// SPDX-License-Identifier: Apache-2.0
#include "store/images.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <random>

#include "store/schema.h"
#include "store/store_fixture.h"
#include "sys/file.h"

namespace berth::store {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

namespace {

std::string shown(const std::vector<spec::Reference>& names) {
    std::vector<std::string> texts;
    for (const spec::Reference& name : names) texts.push_back(name.familiar());
    return join(texts, " ");
}

class Images : public StoreTest {
  protected:
    std::string problem(const std::function<void()>& work) {
        try {
            work();
        } catch (const Error& error) {
            return fmt::format("{}: {}", to_string(error.kind()), error.what());
        }
        return "no error";
    }
    std::string listed(const ListFilters& filters) {
        std::vector<std::string> texts;
        for (const Image& image : store->list(filters))
            texts.push_back(image.tags.empty() ? "<none>" : shown(image.tags));
        return join(texts, ", ");
    }
};

const std::string kDigest = "sha256:" + std::string(64, 'd');

}  // namespace

TEST_F(Images, AddsAndFinds) {
    Image image = make_image(*store, {.layers = {{{"a", "12345"}}, {{"b", "123"}}},
                                      .names = {"nginx", "localhost:5000/web:1.0", "nginx@" + kDigest},
                                      .with_manifest = true});
    EXPECT_EQ(shown(image.tags), "nginx:latest localhost:5000/web:1.0");
    EXPECT_EQ(shown(image.digests), "nginx@" + kDigest);
    EXPECT_EQ(image.size, 8u);
    EXPECT_EQ(image.platform.text(), "linux/amd64");
    EXPECT_EQ(image.created_ns, 1'704'067'200'000'000'000);
    EXPECT_TRUE(image.is_unpacked);
    EXPECT_TRUE(image.manifest);
    EXPECT_EQ(store->config(image).rootfs.diff_ids.size(), 2u);
    std::string id = image.id.text(), hex(image.id.hex());
    for (const std::string& text :
         {std::string("nginx"), std::string("nginx:latest"), std::string("docker.io/library/nginx"),
          "nginx@" + kDigest, "nginx:other@" + kDigest, std::string("localhost:5000/web:1.0"), id, hex,
          hex.substr(0, 12), hex.substr(0, 1), id.substr(0, 20)})
        EXPECT_EQ(store->get(text).id, image.id) << text;
    EXPECT_EQ(problem([&] { store->get("nginx:1"); }), "not found: No such image: nginx:1");
    EXPECT_EQ(problem([&] { store->get("other"); }), "not found: No such image: other:latest");
    EXPECT_EQ(problem([&] { store->get(kDigest); }), "not found: No such image: " + kDigest);
    EXPECT_THAT(problem([&] { store->get("Bad//Name"); }),
                HasSubstr("invalid argument: invalid reference format"));
    EXPECT_FALSE(store->find("other"));
    EXPECT_TRUE(store->find(image.id));
}

TEST_F(Images, AmbiguousPrefixesNameTheCandidates) {
    // Seventeen ids have two with the same first digit.
    for (int i = 0; i < 17; ++i)
        make_image(*store, {.names = {fmt::format("image{}", i)}, .comment = std::to_string(i)});
    std::string problems;
    for (char digit : std::string_view("0123456789abcdef"))
        problems += problem([&] { (void)store->find(std::string(1, digit)); }) + '\n';
    EXPECT_THAT(problems, HasSubstr("conflict: ambiguous image id"));
    EXPECT_THAT(problems, HasSubstr("(image"));
}

TEST_F(Images, ATagMoves) {
    Image first = make_image(*store, {.names = {"app"}, .comment = "1"});
    Image second = make_image(*store, {.names = {"app"}, .comment = "2"});
    EXPECT_EQ(store->get("app").id, second.id);
    EXPECT_THAT(store->get(first.id.text()).tags, IsEmpty());
    store->tag(first, spec::Reference::parse("app:old"));
    EXPECT_EQ(store->get("app:old").id, first.id);
    EXPECT_EQ(problem([&] { store->tag(first, spec::Reference::parse("app@" + kDigest)); }),
              "invalid argument: refusing to create a tag with a digest reference");
}

TEST_F(Images, WhatIsMissingIsRefused) {
    Lease lease = store->blobs().lease("test");
    NewImage image{.config = Digest::of("nothing")};
    EXPECT_THAT(problem([&] { store->add(lease, image); }), HasSubstr("not found"));
    spec::ImageConfig config;
    config.os = "linux";
    config.architecture = "amd64";
    config.rootfs.diff_ids = {Digest::of("layer")};
    image.config = store->blobs().put(lease, spec::print_image_config(config)).digest;
    EXPECT_THAT(problem([&] { store->add(lease, image); }), HasSubstr("are not the 0 that came with it"));
    LayerBlob layer{.diff_id = Digest::of("layer"), .blob = {}};
    layer.blob.digest = Digest::of("blob");
    image.layers.push_back(layer);
    EXPECT_THAT(problem([&] { store->add(lease, image); }), HasSubstr("layer 1 sha256:"));
    EXPECT_THAT(store->list({.all = true}), IsEmpty());
}

TEST_F(Images, ArtifactsAreKeptWithTheirBlobs) {
    Image artifact;
    {
        Lease lease = store->blobs().lease("test");
        NewImage image{.config = store->blobs().put(lease, "{}").digest, .kind = ImageKind::artifact};
        spec::Descriptor manifest;
        manifest.digest = store->blobs().put(lease, R"({"schemaVersion":2})").digest;
        image.manifest = manifest;
        LayerBlob layer;
        layer.blob.digest = store->blobs().put(lease, "a chart").digest;
        layer.blob.mediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
        image.layers.push_back(layer);
        image.names = {spec::Reference::parse("charts/web:1")};
        artifact = store->add(lease, image);
    }
    EXPECT_EQ(artifact.id, *artifact.manifest);
    EXPECT_THAT(artifact.chain_ids, IsEmpty());
    store->collect();
    EXPECT_EQ(store->blobs().read(artifact.layers[0].blob.digest), "a chart");
    EXPECT_THAT(problem([&] { store->config(artifact); }), HasSubstr("is an artifact"));
    EXPECT_THAT(listed({.labels = {"x"}}), IsEmpty());
    store->remove("charts/web:1", {});
    EXPECT_EQ(store->blobs().total_bytes(), 0u);
}

TEST_F(Images, ListsWithFilters) {
    Image base =
        make_image(*store, {.names = {"base:1"}, .created = "2024-01-01T00:00:00Z", .comment = "base"});
    make_image(*store, {.names = {"app", "team/app:2"},
                        .labels = {{"env", "prod"}, {"tier", "1"}},
                        .created = "2024-02-01T00:00:00Z"});
    Image dangling = make_image(*store, {.created = "2024-03-01T00:00:00Z", .comment = "dangling"});
    Image step =
        make_image(*store, {.created = "2024-03-02T00:00:00Z", .comment = "step", .parent = base.id});
    make_image(*store, {.names = {"built"}, .created = "2024-04-01T00:00:00Z", .parent = step.id});
    make_image(*store,
               {.names = {"pinned@" + kDigest}, .created = "2024-05-01T00:00:00Z", .comment = "by digest"});

    EXPECT_EQ(listed({}), "<none>, built:latest, <none>, app:latest team/app:2, base:1");
    EXPECT_EQ(listed({.all = true}), "<none>, built:latest, <none>, <none>, app:latest team/app:2, base:1");
    EXPECT_EQ(listed({.dangling = true}), "<none>, <none>");
    EXPECT_EQ(listed({.dangling = false}), "<none>, built:latest, app:latest team/app:2, base:1");
    EXPECT_EQ(listed({.references = {"*app"}}), "app:latest");
    EXPECT_EQ(listed({.references = {"*/app:?", "b[a-d]se"}}), "team/app:2, base:1");
    EXPECT_EQ(listed({.references = {"nothing*"}}), "");
    EXPECT_EQ(listed({.labels = {"env=prod", "tier"}}), "app:latest team/app:2");
    EXPECT_EQ(listed({.labels = {"env=test"}}), "");
    EXPECT_EQ(listed({.references = {"*", "*/*"}, .not_labels = {"env"}}), "<none>, built:latest, base:1");
    EXPECT_EQ(listed({.before = "app"}), "base:1");
    EXPECT_EQ(listed({.since = "built"}), "<none>");
    EXPECT_EQ(listed({.until_ns = base.created_ns}), "base:1");
    EXPECT_EQ(listed({.dangling = true, .created_since_ns = dangling.created_ns}), "<none>, <none>");
    EXPECT_THAT(problem([&] { listed({.before = "absent"}); }), HasSubstr("No such image: absent:latest"));
}

TEST_F(Images, HistoryHasSizesAndParents) {
    Image base = make_image(*store, {.layers = {{{"a", "12345"}}}, .names = {"base"}});
    Lease lease = store->blobs().lease("test");
    spec::ImageConfig config = store->config(base);
    config.history.push_back(
        {.created = "2024-01-02T00:00:00Z", .created_by = "ENV A=b", .empty_layer = true});
    NewImage child{.config = store->blobs().put(lease, spec::print_image_config(config)).digest};
    child.layers = base.layers;
    child.parent = base.id;
    child.names = {spec::Reference::parse("child:1")};
    std::vector<HistoryEntry> entries = store->history(store->add(lease, child));
    ASSERT_THAT(entries, SizeIs(2));
    EXPECT_EQ(entries[0].created_by, "ENV A=b");
    EXPECT_EQ(entries[0].size, 0u);
    EXPECT_EQ(entries[0].id, child.config.text());
    EXPECT_THAT(entries[0].tags, ElementsAre("child:1"));
    EXPECT_EQ(entries[1].created_by, "COPY");
    EXPECT_EQ(entries[1].size, 5u);
    EXPECT_EQ(entries[1].id, base.id.text());
    EXPECT_EQ(entries[1].created_ns, base.created_ns);
}

TEST_F(Images, BlobsThatCanComeBackGoUnderPressure) {
    Image pulled = make_image(*store, {.layers = {{{"a", "1"}}}, .names = {"pulled"}});
    Image local = make_image(*store, {.layers = {{{"b", "2"}}}, .names = {"local"}});
    Image packed = make_image(*store, {.layers = {{{"c", "3"}}}, .names = {"packed"}, .unpack = false});
    spec::Reference repository = spec::Reference::parse("example.com/pulled");
    for (const Image& image : {pulled, packed})
        store->record_blob_source(image.layers[0].blob.digest, repository);
    EXPECT_THAT(store->blob_sources(pulled.layers[0].blob.digest), ElementsAre("example.com/pulled"));
    EXPECT_EQ(store->drop_blobs(UINT64_MAX), 0u);  // not synced yet
    store->snapshots().sync();
    EXPECT_EQ(store->drop_blobs(UINT64_MAX), static_cast<uint64_t>(pulled.layers[0].blob.size));
    EXPECT_FALSE(store->blobs().find(pulled.layers[0].blob.digest));
    EXPECT_TRUE(store->blobs().find(local.layers[0].blob.digest));
    EXPECT_TRUE(store->blobs().find(packed.layers[0].blob.digest));
    // Still a whole image, whose tar can be had.
    EXPECT_EQ(store->get("pulled").layers[0].blob.digest, pulled.layers[0].blob.digest);
    EXPECT_THAT(store->blobs_of(pulled.layers[0].diff_id), SizeIs(1));
    reopen();
    EXPECT_THAT(store->snapshots().layers(), SizeIs(2));
}

TEST_F(Images, UsageIsWhatDuSays) {
    Files shared{{"shared", std::string(100'000, 's')}};
    Image one =
        make_image(*store, {.layers = {shared, {{"one", std::string(50'000, '1')}}}, .names = {"one"}});
    Image two =
        make_image(*store, {.layers = {shared, {{"two", std::string(20'000, '2')}}}, .names = {"two"}});
    store->snapshots().create("web", one.top_chain_id(), {});
    write_text(root() + "/s/1/fs/big", std::string(300'000, 'x'));
    {
        Lease lease = store->blobs().lease("test");
        store->blobs()
            .ingest(lease, "left", 10, std::chrono::milliseconds(0))
            ->write_at(0, sys::bytes_of("left"));
    }
    Usage usage = store->usage();
    EXPECT_EQ(usage.total, du(root()));
    EXPECT_EQ(usage.blobs + usage.layers + usage.snapshots + usage.other, usage.total);
    EXPECT_EQ(usage.snapshots, du(root() + "/s"));
    ASSERT_THAT(usage.images, SizeIs(2));
    uint64_t unique = 0, largest_shared = 0;
    for (const Usage::PerImage& image : usage.images) {
        EXPECT_EQ(image.size, image.shared + image.unique);
        EXPECT_GT(image.shared, 100'000u);
        unique += image.unique;
        largest_shared = std::max(largest_shared, image.shared);
    }
    EXPECT_LE(unique + largest_shared, usage.blobs + usage.layers);
    EXPECT_EQ(usage.images[0].shared, usage.images[1].shared);
    // What the container's image does not hold, and the ingest.
    uint64_t others = usage.images[usage.images[0].id == two.id ? 0 : 1].unique;
    EXPECT_EQ(usage.reclaimable, others + 4096);
    store->snapshots().sync();
    EXPECT_EQ(store->usage().total, du(root()));
}

TEST_F(Images, TwoStoresShareNothing) {
    make_image(*store, {.names = {"here"}});
    Store other({.root = folder.path() + "/other"});
    EXPECT_THAT(other.list({}), IsEmpty());
    EXPECT_THROW(Store({.root = folder.path() + "/a,b"}), Error);
    EXPECT_THROW(Store({.root = folder.path() + "/c", .driver = "zfs"}), Error);
}

TEST_F(Images, ANewerDatabaseIsRefused) {
    store.reset();
    std::vector<db::Migration> future(migrations().begin(), migrations().end());
    future.push_back({.version = 1000, .sql = "CREATE TABLE future (x)"});
    {
        db::Database newer(root() + "/state.db", db::Sync::full, future);
    }
    EXPECT_THAT(problem([&] { open(); }), HasSubstr("state.db"));
    EXPECT_THAT(problem([&] { open(); }), HasSubstr("1000"));
}

/// A database of each version, with rows, is brought to the present one.
TEST_F(Images, Migrates) {
    for (size_t known = 1; known <= migrations().size(); ++known) {
        std::string own = fmt::format("{}/v{}", folder.path(), known);
        sys::make_dirs(own);
        {
            db::Database old(own + "/state.db", db::Sync::full, migrations().first(known));
            old.execute("INSERT INTO leases VALUES ('dead', 'test', 1)");
        }
        Store opened({.root = own});
        make_image(opened, {.names = {"after"}});
        EXPECT_EQ(opened.get("after").size, 5u);
    }
}

}  // namespace berth::store
