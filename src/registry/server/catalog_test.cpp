// SPDX-License-Identifier: Apache-2.0
#include "registry/server/catalog.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/strings.h"
#include "registry/server/storage.h"
#include "sys/file.h"

namespace berth::registry::server {

namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Folder {
    Folder() {
        std::string name = "/tmp/berth-registry-XXXXXX";
        path = ::mkdtemp(name.data());
    }
    ~Folder() { sys::remove_tree_at(AT_FDCWD, path); }
    std::string path;
};

constexpr std::chrono::seconds kNoGrace{0};
constexpr std::chrono::seconds kHour{3600};
constexpr CollectionRules kNow{};

/// A blob in the store and in a repository.
Digest push_blob(Storage& storage, const std::string& repository, const std::string& content) {
    store::Lease lease = storage.blobs.lease("test");
    store::BlobInfo blob = storage.blobs.put(lease, content);
    storage.catalog.link_blob(repository, blob.digest, blob.size);
    return blob.digest;
}

/// A manifest that needs `needed`, under `tag`.
Digest push_manifest(Storage& storage, const std::string& repository, const std::string& tag,
                     std::vector<Manifest::Reference> needed, std::optional<Digest> subject = {}) {
    static int count = 0;
    std::string content = "manifest " + std::to_string(++count);
    store::Lease lease = storage.blobs.lease("test");
    Manifest manifest;
    manifest.digest = storage.blobs.put(lease, content).digest;
    manifest.media_type = "application/vnd.oci.image.manifest.v1+json";
    manifest.size = content.size();
    manifest.artifact_type = "a/b";
    manifest.subject = subject;
    manifest.references = std::move(needed);
    EXPECT_THAT(storage.catalog.put_manifest(repository, manifest, tag, true), IsEmpty());
    return manifest.digest;
}

TEST(Catalog, ABlobIsVisibleWhereItWasLinked) {
    Folder folder;
    Storage storage(folder.path, kHour);
    Digest blob = push_blob(storage, "one", "x");
    EXPECT_EQ(storage.catalog.find_blob("one", blob), 1u);
    EXPECT_FALSE(storage.catalog.find_blob("two", blob));
    EXPECT_FALSE(storage.catalog.mount_blob("three", "two", blob));
    EXPECT_EQ(storage.catalog.mount_blob("one", "two", blob), 1u);
    EXPECT_EQ(storage.catalog.find_blob("two", blob), 1u);
    EXPECT_TRUE(storage.catalog.unlink_blob("two", blob));
    EXPECT_FALSE(storage.catalog.unlink_blob("two", blob));
    EXPECT_EQ(storage.catalog.find_blob("one", blob), 1u);
}

TEST(Catalog, AManifestNeedsItsBlobsInItsRepository) {
    Folder folder;
    Storage storage(folder.path, kHour);
    Digest blob = push_blob(storage, "one", "x");
    Manifest manifest;
    manifest.digest = Digest::of("m");
    manifest.references = {{blob}, {Digest::of("elsewhere"), false, false}, {Digest::of("missing")}};
    auto missing = storage.catalog.put_manifest("one", manifest, "t", true);
    ASSERT_EQ(missing.size(), 1u);
    EXPECT_EQ(missing[0].digest, Digest::of("missing"));
    EXPECT_FALSE(storage.catalog.find_tag("one", "t"));
    EXPECT_EQ(storage.catalog.put_manifest("two", manifest, "t", true).size(), 2u);
    EXPECT_FALSE(storage.catalog.tags("two", {}));
}

TEST(Catalog, DeletingAManifestTakesItsTags) {
    Folder folder;
    Storage storage(folder.path, kHour);
    Digest manifest = push_manifest(storage, "r", "a", {});
    storage.catalog.put_tag("r", "b", manifest);
    storage.catalog.put_tag("r", "nowhere", Digest::of("nothing"));
    EXPECT_THAT(storage.catalog.tags("r", {})->names, ElementsAre("a", "b"));
    EXPECT_TRUE(storage.catalog.delete_tag("r", "a"));
    EXPECT_TRUE(storage.catalog.find_manifest("r", manifest));
    EXPECT_TRUE(storage.catalog.delete_manifest("r", manifest));
    EXPECT_FALSE(storage.catalog.delete_manifest("r", manifest));
    EXPECT_FALSE(storage.catalog.find_tag("r", "b"));
}

TEST(Catalog, ListsInPagesInTheOrderOfBytes) {
    Folder folder;
    Storage storage(folder.path, kHour);
    Digest manifest = push_manifest(storage, "r", "b", {});
    for (const char* tag : {"a", "B", "10", "9"}) storage.catalog.put_tag("r", tag, manifest);
    EXPECT_THAT(storage.catalog.tags("r", {})->names, ElementsAre("10", "9", "B", "a", "b"));
    Listing page = *storage.catalog.tags("r", {"9", 2});
    EXPECT_THAT(page.names, ElementsAre("B", "a"));
    EXPECT_TRUE(page.more);
    page = *storage.catalog.tags("r", {"a", 2});
    EXPECT_THAT(page.names, ElementsAre("b"));
    EXPECT_FALSE(page.more);
    EXPECT_THAT(storage.catalog.tags("r", {{}, 0})->names, IsEmpty());
    push_manifest(storage, "a/z", "t", {});
    storage.catalog.begin_upload("0123", "only-an-upload");
    EXPECT_THAT(storage.catalog.repositories({}).names, ElementsAre("a/z", "r"));
}

TEST(Collection, KeepsWhatManifestsNeedAndWhatIsNew) {
    Folder folder;
    Storage storage(folder.path, kNoGrace);
    Digest needed = push_blob(storage, "r", "needed"), loose = push_blob(storage, "r", "loose");
    Digest manifest = push_manifest(storage, "r", "t", {{needed}});
    CollectionResult result = collect(storage, kNow);
    EXPECT_EQ(result.blobs, 1u);
    EXPECT_EQ(result.bytes, 5u);
    EXPECT_TRUE(storage.catalog.find_blob("r", needed));
    EXPECT_FALSE(storage.catalog.find_blob("r", loose));
    EXPECT_FALSE(storage.blobs.find(loose));
    EXPECT_EQ(storage.blobs.read(manifest).substr(0, 8), "manifest");
    EXPECT_TRUE(storage.catalog.delete_manifest("r", manifest));
    EXPECT_EQ(collect(storage, kNow).blobs, 2u);
    EXPECT_FALSE(storage.catalog.tags("r", {}));
}

TEST(Collection, LeavesWhatAPushMayCountOn) {
    Folder folder;
    Storage patient(folder.path, kHour);
    Digest blob = push_blob(patient, "r", "x");
    EXPECT_EQ(collect(patient, kNow).blobs, 0u);
    // The grace time is over, but a push to the repository goes on.
    Storage hasty(folder.path, kNoGrace);
    hasty.catalog.begin_upload("0123", "r");
    CollectionRules rules;
    rules.upload_expiry = kHour;
    EXPECT_EQ(collect(hasty, rules).blobs, 0u);
    EXPECT_TRUE(hasty.catalog.end_upload("0123"));
    EXPECT_EQ(collect(hasty, rules).blobs, 1u);
}

TEST(Collection, SharedBlobsStayWhileOneRepositoryHasThem) {
    Folder folder;
    Storage storage(folder.path, kNoGrace);
    Digest blob = push_blob(storage, "one", "x");
    storage.catalog.mount_blob("one", "two", blob);
    push_manifest(storage, "two", "t", {{blob}});
    CollectionResult result = collect(storage, kNow);
    EXPECT_EQ(result.links, 1u);
    EXPECT_EQ(result.blobs, 0u);
    EXPECT_FALSE(storage.catalog.find_blob("one", blob));
    EXPECT_TRUE(storage.blobs.find(blob));
}

TEST(Collection, ExpiresUploads) {
    Folder folder;
    Storage storage(folder.path, kNoGrace);
    storage.catalog.begin_upload("0123", "r");
    CollectionRules rules;
    rules.upload_expiry = kHour;
    EXPECT_EQ(collect(storage, rules).uploads, 0u);
    EXPECT_TRUE(storage.catalog.find_upload("0123"));
    EXPECT_EQ(collect(storage, kNow).uploads, 1u);
    EXPECT_FALSE(storage.catalog.find_upload("0123"));
    EXPECT_EQ(storage.catalog.totals().repositories, 0u);
}

TEST(Collection, RetentionTakesWhatOnlyTheTagHeld) {
    Folder folder;
    Storage storage(folder.path, kHour);
    Digest child = push_manifest(storage, "ci/r", "", {});
    Digest old = push_manifest(storage, "ci/r", "old", {{child, true}});
    Digest signature = push_manifest(storage, "ci/r", "", {}, old);
    Digest both = push_manifest(storage, "ci/r", "older", {});
    storage.catalog.put_tag("ci/r", "new", both);
    push_manifest(storage, "other", "t", {});
    CollectionRules rules;
    rules.upload_expiry = kHour;
    rules.retention = {RetentionRule::parse("ci/*=keep:1")};
    EXPECT_EQ(collect(storage, rules).tags, 2u);
    EXPECT_THAT(storage.catalog.tags("ci/r", {})->names, ElementsAre("new"));
    for (const Digest& digest : {child, old, signature})
        EXPECT_FALSE(storage.catalog.find_manifest("ci/r", digest));
    EXPECT_TRUE(storage.catalog.find_manifest("ci/r", both));
    EXPECT_TRUE(storage.catalog.find_tag("other", "t"));
}

TEST(Collection, UntaggedManifests) {
    Folder folder;
    Storage storage(folder.path, kHour);
    Digest child = push_manifest(storage, "r", "", {});
    Digest index = push_manifest(storage, "r", "t", {{child, true}});
    Digest loose = push_manifest(storage, "r", "", {});
    Digest signature = push_manifest(storage, "r", "", {}, index);
    CollectionRules rules;
    rules.upload_expiry = kHour;
    rules.retention = {RetentionRule::parse("r=untagged:0s")};
    collect(storage, rules);
    EXPECT_FALSE(storage.catalog.find_manifest("r", loose));
    for (const Digest& digest : {child, index, signature})
        EXPECT_TRUE(storage.catalog.find_manifest("r", digest));
}

TEST(Collection, LongChainsOfReferrers) {
    Folder folder;
    Storage storage(folder.path, kHour);
    Digest last = push_manifest(storage, "r", "t", {});
    storage.catalog.metadata().write([&](db::Database& database) {
        for (int i = 0; i < 60'000; ++i) {
            Digest next = Digest::of(std::to_string(i));
            database.run("INSERT INTO manifests VALUES (1, ?1, 'a/b', 1, '', ?2, '{}', 0, 0)", next.text(),
                         last.text());
            last = next;
        }
    });
    for (const TagInfo& tag : storage.catalog.all_tags()) EXPECT_TRUE(storage.catalog.retire_tag(tag));
    EXPECT_FALSE(storage.catalog.find_manifest("r", last));
}

TEST(Storage, LostContentIsForgotten) {
    Folder folder;
    Digest blob;
    {
        Storage storage(folder.path, kHour);
        blob = push_blob(storage, "r", "x");
    }
    std::string file = folder.path + "/blobs/sha256/" + std::string(blob.hex());
    ASSERT_EQ(::unlink(file.c_str()), 0);
    Storage storage(folder.path, kHour);
    EXPECT_FALSE(storage.catalog.find_blob("r", blob));
}

}  // namespace

}  // namespace berth::registry::server
