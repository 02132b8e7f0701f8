// SPDX-License-Identifier: Apache-2.0
#include "store/snapshots.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "store/mount_options.h"
#include "store/schema.h"
#include "store/store_fixture.h"
#include "store/tree.h"
#include "sys/file.h"

namespace berth::store {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

namespace {

std::string text_of(const std::vector<Change>& changes) {
    std::string text;
    for (const Change& change : changes)
        text += fmt::format("{}{} ", "CAD"[static_cast<int>(change.kind)], change.path);
    return text;
}

class SnapshotsTest : public StoreTest {
  protected:
    Snapshots& snapshots() { return store->snapshots(); }
    /// A stack of layers, each with its own files; the chain ids.
    std::vector<Digest> make_layers(const std::vector<Files>& layers) {
        return make_image(*store, {.layers = layers, .names = {"stack"}}).chain_ids;
    }
    /// What only the schema's owner may do.
    void sql(const std::string& text) {
        db::Database database(root() + "/state.db", db::Sync::full, migrations());
        database.execute(text);
    }
    std::string mount_point() {
        sys::make_dirs(folder.path() + "/mnt");
        return folder.path() + "/mnt";
    }
};

}  // namespace

TEST_F(SnapshotsTest, ALayerIsBuiltOnce) {
    Lease lease = store->blobs().lease("test");
    std::string tar = make_tar({{"dir/", ""}, {"dir/file", "content"}});
    Digest id = Digest::of(tar);
    EXPECT_FALSE(snapshots().find_layer(id));
    std::unique_ptr<LayerBuild> build = snapshots().build_layer(lease, id, id, {});
    ASSERT_NE(build, nullptr);
    EXPECT_FALSE(snapshots().protect_layer(lease, id));
    EXPECT_EQ(snapshots().build_layer(lease, id, id, {}, std::chrono::milliseconds(0)), nullptr);
    EXPECT_FALSE(snapshots().find_layer(id));
    std::unique_ptr<LayerBuild> second = nullptr;
    std::thread other([&] { second = snapshots().build_layer(lease, id, id, {}); });
    sys::TextSource source(tar);
    LayerInfo info = build->commit(unpack(source, build->root(), {}));
    build.reset();
    other.join();
    EXPECT_EQ(second, nullptr);
    EXPECT_EQ(info.size, 7u);
    EXPECT_EQ(read_text(root() + "/l/1/dir/file"), "content");
    EXPECT_TRUE(snapshots().find_layer(id));
    EXPECT_EQ(snapshots().layer_usage(id), du(root() + "/l/1"));
    EXPECT_EQ(snapshots().collect(), 0u);
    EXPECT_THAT(names_in(root() + "/builds"), IsEmpty());
}

TEST_F(SnapshotsTest, AnUnfinishedLayerLeavesNothing) {
    Lease lease = store->blobs().lease("test");
    Digest id = Digest::of("layer"), parent = Digest::of("parent");
    {
        std::unique_ptr<LayerBuild> build = snapshots().build_layer(lease, id, id, parent);
        ASSERT_EQ(::mkdirat(build->root(), "left", 0755), 0);
        EXPECT_THROW(build->commit({}), Error);  // there is no such parent
    }
    EXPECT_THAT(names_in(root() + "/l"), ElementsAre("0"));
    // The next one is no slower for it.
    EXPECT_NE(snapshots().build_layer(lease, id, id, {}), nullptr);
    EXPECT_THAT(names_in(root() + "/builds"), IsEmpty());
}

TEST_F(SnapshotsTest, AKilledBuilderIsCleanedUpBesideOthers) {
    Digest id = Digest::of("layer");
    store.reset();
    sys::Child child = in_child([&] {
        Store own({.root = root()});
        Lease lease = own.blobs().lease("test");
        std::unique_ptr<LayerBuild> build = own.snapshots().build_layer(lease, id, id, {});
        sys::check(::mkdirat(build->root(), "left", 0755), "mkdir");
        // Somebody else must have the store open: then there is no recovery, only collection.
        ::raise(SIGSTOP);
    });
    siginfo_t info{};
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child.pid()), &info, WSTOPPED), 0);
    open();
    EXPECT_EQ(snapshots().collect(), 0u);
    EXPECT_THAT(names_in(root() + "/l"), SizeIs(2));
    child.kill_and_reap();
    EXPECT_GT(snapshots().collect(), 0u);
    EXPECT_THAT(names_in(root() + "/l"), ElementsAre("0"));
    EXPECT_THAT(names_in(root() + "/builds"), IsEmpty());
}

TEST_F(SnapshotsTest, MountsWriteDiffAndRemove) {
    std::vector<Digest> chain = make_layers(
        {{{"keep", "1"}, {"gone", "1"}, {"dir/", ""}, {"dir/a", "1"}}, {{"keep", "2"}, {"dir/b", "2"}}});
    snapshots().create("web", chain.back(), {});
    EXPECT_EQ(snapshots().find("web")->parent, chain.back());
    EXPECT_THROW(snapshots().create("web", {}, {}), Error);
    EXPECT_THROW(snapshots().create("other", Digest::of("nothing"), {}), Error);
    MountPlan plan = snapshots().mount_plan("web");
    std::string target = mount_point();
    in_own_mounts([&] {
        mount(plan, target);
        require(read_text(target + "/keep") == "2" && read_text(target + "/dir/a") == "1", "layers");
        write_text(target + "/new", "3");
        write_text(target + "/dir/b", "3");
        sys::check(::unlink((target + "/gone").c_str()), "unlink");
        Store own({.root = root()});
        try {
            own.snapshots().remove("web");
            require(false, "a mounted snapshot was removed");
        } catch (const Error& error) {
            require(error.kind() == ErrorKind::conflict, error.what());
        }
        unmount(target);
    });
    EXPECT_EQ(text_of(snapshots().changes("web")), "C/dir C/dir/b D/gone A/new ");
    EXPECT_EQ(snapshots().snapshot_usage("web"), du(root() + "/s/1"));
    EXPECT_THAT(snapshots().list(), SizeIs(1));
    snapshots().remove("web");
    EXPECT_THAT(names_in(root() + "/s"), IsEmpty());
    EXPECT_THROW(snapshots().remove("web"), Error);
    EXPECT_FALSE(snapshots().find("web"));
    snapshots().create("web", {}, {});
    in_own_mounts([&] {
        mount(snapshots().mount_plan("web"), target);
        require(names_in(target).empty(), "an empty root is not empty");
        write_text(target + "/file", "");
    });
    EXPECT_EQ(text_of(snapshots().changes("web")), "A/file ");
}

TEST(MountPlanTest, TellsTheFoldersOfAnOverlay) {
    MountPlan plan = overlay_plan({.lowers = {"/b", "/a"}, .upper = "/u", .work = "/w"});
    EXPECT_THAT(overlay_folders(plan), ElementsAre("/u", "/b", "/a"));
    EXPECT_THAT(overlay_folders({.type = "bind", .source = "/a", .options = {"rbind"}}), IsEmpty());
}

TEST_F(SnapshotsTest, ViewsAreReadOnly) {
    std::vector<Digest> chain = make_layers({{{"a", "1"}}, {{"b", "2"}, {".wh.a", ""}}});
    std::string target = mount_point();
    for (const Digest& id : chain)
        in_own_mounts([&] {
            mount(snapshots().view_plan(id), target);
            bool has_a = sys::exists(target + "/a"), has_b = sys::exists(target + "/b");
            require(has_a == (id == chain[0]) && has_b == (id == chain[1]), "wrong view");
            require(::mkdir((target + "/new").c_str(), 0755) < 0 && errno == EROFS, "view can be written");
        });
    EXPECT_THROW(snapshots().view_plan(Digest::of("nothing")), Error);
}

TEST_F(SnapshotsTest, AnOpaqueRootHidesAllBelow) {
    std::vector<Digest> chain = make_layers({{{"a", "1"}}, {{".wh..wh..opq", ""}, {"b", "2"}}, {{"c", "3"}}});
    std::string target = mount_point();
    in_own_mounts([&] {
        mount(snapshots().view_plan(chain.back()), target);
        require(!sys::exists(target + "/a") && sys::exists(target + "/b") && sys::exists(target + "/c"),
                "opaque");
    });
}

TEST_F(SnapshotsTest, ManyLayers) {
    std::vector<Files> layers;
    for (int i = 0; i < 128; ++i)
        layers.push_back({{fmt::format("file{}", i), "x"}, {"last", std::to_string(i)}});
    std::vector<Digest> chain = make_layers(layers);
    snapshots().create("deep", chain.back(), {});
    MountPlan plan = snapshots().mount_plan("deep");
    std::string target = mount_point();
    auto check = [&] {
        require(read_text(target + "/last") == "127", "order");
        write_text(target + "/new", "x");
        require(names_in(target).size() == 130, "not all layers");
    };
    in_own_mounts([&] {
        mount_at_once(plan, target);
        check();
        unmount(target);
    });
    in_own_mounts([&] {
        if (!mount_by_parts(plan, target)) return;  // an old kernel
        check();
    });
    std::string before = sys::current_dir();
    in_own_mounts([&] {
        mount(plan, target);
        check();
    });
    EXPECT_EQ(sys::current_dir(), before);
}

TEST_F(SnapshotsTest, VolatileSnapshotsMountAgain) {
    std::vector<Digest> chain = make_layers({{{"a", "1"}}});
    snapshots().create("build", chain.back(), {.is_volatile = true});
    EXPECT_THAT(snapshots().mount_plan("build").options, testing::Contains("volatile"));
    std::string target = mount_point();
    for (int i = 0; i < 2; ++i)
        in_own_mounts([&] {
            mount(snapshots().mount_plan("build"), target);
            write_text(fmt::format("{}/file{}", target, i), "x");
            unmount(target);
        });
    EXPECT_EQ(text_of(snapshots().changes("build")), "A/file0 A/file1 ");
}

TEST_F(SnapshotsTest, TheRootLooksLikeTheLayers) {
    Lease lease = store->blobs().lease("test");
    Digest id = Digest::of("layer");
    std::unique_ptr<LayerBuild> build = snapshots().build_layer(lease, id, id, {});
    ASSERT_EQ(::fchown(build->root(), 5, 6), 0);
    ASSERT_EQ(::fchmod(build->root(), 01770), 0);
    build->commit({});
    snapshots().create("web", id, {});
    struct stat status{};
    ASSERT_EQ(::stat((root() + "/s/1/fs").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 01770u);
    EXPECT_EQ(status.st_uid, 5u);
    EXPECT_EQ(status.st_gid, 6u);
}

TEST_F(SnapshotsTest, CommitsAsALayer) {
    std::vector<Digest> chain = make_layers({{{"keep", "1"}, {"gone", "1"}, {"dir/", ""}, {"dir/a", "1"}}});
    snapshots().create("build", chain.back(), {});
    std::string target = mount_point();
    in_own_mounts([&] {
        mount(snapshots().mount_plan("build"), target);
        write_text(target + "/dir/new", "new");
        sys::check(::link((target + "/dir/new").c_str(), (target + "/hard").c_str()), "link");
        sys::check(::unlink((target + "/gone").c_str()), "unlink");
        sys::check(::unlink((target + "/dir/a").c_str()), "unlink");
        sys::check(::rename((target + "/dir/new").c_str(), (target + "/dir/newer").c_str()), "rename");
    });
    Lease lease = store->blobs().lease("commit");
    LayerBlob layer = store->commit_layer(lease, "build", 1'600'000'000);
    Digest top = chain_id_of(chain.back(), layer.diff_id);
    ASSERT_TRUE(snapshots().find_layer(top));
    EXPECT_EQ(store->blobs().find(layer.blob.digest)->size, static_cast<uint64_t>(layer.blob.size));
    EXPECT_THAT(store->blobs_of(layer.diff_id), SizeIs(1));
    in_own_mounts([&] {
        mount(snapshots().view_plan(top), target);
        require(read_text(target + "/hard") == "new" && read_text(target + "/dir/newer") == "new",
                "new files");
        require(!sys::exists(target + "/gone") && !sys::exists(target + "/dir/a"), "whiteouts");
        struct stat one{}, two{};
        ::stat((target + "/hard").c_str(), &one);
        ::stat((target + "/dir/newer").c_str(), &two);
        require(one.st_ino == two.st_ino && one.st_mtim.tv_sec == 1'600'000'000, "links and times");
    });
    // The same again, from the blob and from the folder.
    LayerBlob again = store->commit_layer(lease, "build", 1'600'000'000);
    EXPECT_EQ(again.diff_id, layer.diff_id);
    EXPECT_EQ(again.blob.digest, layer.blob.digest);
    sys::TextSink from_blob, from_folder;
    store->write_layer(top, from_blob);
    {
        Lease ended = std::move(lease);
    }
    ASSERT_TRUE(store->blobs().drop(layer.blob.digest));
    store->write_layer(top, from_folder);
    EXPECT_EQ(Digest::of(from_blob.text), layer.diff_id);
    EXPECT_EQ(from_folder.text, from_blob.text);
}

TEST_F(SnapshotsTest, SnapshotsAndChildrenHoldLayers) {
    std::vector<Digest> chain = make_layers({{{"a", "1"}}, {{"b", "2"}}});
    snapshots().create("web", chain.back(), {});
    store->remove("stack", {.force = true});
    EXPECT_THAT(snapshots().layers(), SizeIs(2));
    snapshots().remove("web");
    EXPECT_GT(snapshots().collect(), 0u);
    EXPECT_THAT(snapshots().layers(), IsEmpty());
    EXPECT_THAT(names_in(root() + "/l"), ElementsAre("0"));
}

TEST_F(SnapshotsTest, UnsyncedLayersAreMadeAnewAfterAnUncleanBoot) {
    Image image = make_image(*store, {.layers = {{{"a", "1"}}, {{"b", "2"}}}, .names = {"stack"}});
    Image lost = make_image(*store, {.layers = {{{"c", "3"}}}, .names = {"lost"}});
    snapshots().sync();
    EXPECT_TRUE(snapshots().layers()[0].synced);
    reopen();
    sql("UPDATE layers SET boot_id = 'earlier'");
    reopen();
    EXPECT_TRUE(sys::exists(root() + "/l/1"));  // synced: they stay

    store->blobs().drop(lost.layers[0].blob.digest);
    store.reset();
    sql("UPDATE layers SET synced = 0");
    write_text(root() + "/l/1/a", "");
    open();
    EXPECT_FALSE(sys::exists(root() + "/l/1"));
    EXPECT_THAT(snapshots().layers(), SizeIs(2));
    std::string target = mount_point();
    in_own_mounts([&] {
        mount(snapshots().view_plan(*image.top_chain_id()), target);
        require(read_text(target + "/a") == "1" && read_text(target + "/b") == "2", "content");
    });
    EXPECT_THAT(store->repair(), ElementsAre(lost.id));
    EXPECT_THROW(snapshots().view_plan(*lost.top_chain_id()), Error);
}

TEST_F(SnapshotsTest, StrayFoldersGo) {
    std::vector<Digest> chain = make_layers({{{"a", "1"}}});
    snapshots().create("web", chain.back(), {});
    store.reset();
    sys::make_dirs(root() + "/l/zz/deep/er");
    sys::make_dirs(root() + "/s/zz/fs");
    remove_tree(AT_FDCWD, root() + "/s/1/fs");
    open();
    EXPECT_THAT(names_in(root() + "/l"), SizeIs(2));
    EXPECT_THAT(names_in(root() + "/s"), IsEmpty());
    EXPECT_FALSE(snapshots().find("web"));
}

TEST_F(SnapshotsTest, WhatCantBeRemovedKeepsNothingElse) {
    make_image(*store, {.names = {"image"}});
    for (const char* name : {"busy", "other"}) snapshots().create(name, {}, {});
    store.reset();
    in_own_mounts([&] {
        std::string busy = root() + "/s/1/fs/mounted";
        sys::make_dirs(busy);
        sys::check(::mount("tmpfs", busy.c_str(), "tmpfs", 0, nullptr), "mount");
        open();
        try {
            snapshots().remove("busy");
            require(false, "removed what is busy");
        } catch (const Error& error) {
            require(error.code() == EBUSY, error.what());
        }
        sql("UPDATE snapshots SET state = 'removing', name = NULL");
        store->remove("image", {});
        require(names_in(root() + "/s") == std::vector<std::string>{"1"}, "what could be removed stays");
        require(snapshots().layers().empty() && store->blobs().list().empty(), "the image stays");
        reopen();
        sys::check(::umount(busy.c_str()), "umount");
        store->collect();
        require(names_in(root() + "/s").empty(), "it is not tried again");
    });
    open();
}

TEST_F(SnapshotsTest, LayersOfAMountStayUntilItEnds) {
    std::vector<Digest> chain = make_layers({{{"a", "1"}}, {{"b", "2"}}});
    std::string target = mount_point();
    store.reset();
    in_own_mounts([&] {
        open();
        mount(snapshots().view_plan(chain.back()), target);
        store->remove("stack", {});
        require(snapshots().layers().empty(), "the layers are not removed");
        require(read_text(target + "/a") == "1" && read_text(target + "/b") == "2",
                "the view lost its files");
        reopen();
        require(read_text(target + "/a") == "1", "recovery takes files from a view");
        unmount(target);
        store->collect();
        require(names_in(root() + "/l") == std::vector<std::string>{"0"}, "the folders stay");
    });
    open();
}

TEST_F(SnapshotsTest, MountsInAUserNamespace) {
    store.reset();
    std::string own_root = folder.path() + "/own", target = mount_point();
    expect_in_child([&] {
        std::string map = fmt::format("0 {} 1", ::geteuid());
        sys::check(::unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare");
        write_text("/proc/self/uid_map", map);
        write_text("/proc/self/setgroups", "deny");
        write_text("/proc/self/gid_map", map);
        Store own({.root = own_root});
        Image image =
            make_image(own, {.layers = {{{"d/", ""}, {"d/old", "x"}}, {{"d/.wh.old", ""}, {"d/new", "y"}}}});
        mount(own.snapshots().view_plan(*image.top_chain_id()), target);
        require(names_in(target + "/d") == std::vector<std::string>{"new"}, "whiteouts");
        unmount(target);
        own.snapshots().create("web", image.top_chain_id(), {});
        mount(own.snapshots().mount_plan("web"), target);
        write_text(target + "/d/own", "z");
        unmount(target);
    });
    open();
}

TEST_F(SnapshotsTest, AMountIsSeenWhateverTheRootIsCalled) {
    store.reset();
    std::string strange = folder.path() + "/a #1\tb=c";
    std::string target = mount_point();
    in_own_mounts([&] {
        Store own({.root = strange});
        own.snapshots().create("web", {}, {});
        mount(own.snapshots().mount_plan("web"), target);
        try {
            own.snapshots().remove("web");
            require(false, "removed while it is mounted");
        } catch (const Error& error) {
            require(error.kind() == ErrorKind::conflict, error.what());
        }
        unmount(target);
        own.snapshots().remove("web");
    });
    open();
}

TEST_F(SnapshotsTest, QuotasNeedAFileSystemThatHasThem) {
    try {
        snapshots().create("limited", {}, {.quota_bytes = 10 << 20});
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::not_implemented);
        EXPECT_THAT(error.what(), HasSubstr("project quotas"));
        EXPECT_THAT(error.what(), HasSubstr("prjquota"));
        EXPECT_THAT(names_in(root() + "/s"), IsEmpty());
        EXPECT_FALSE(snapshots().find("limited"));
        return;
    }
    EXPECT_EQ(snapshots().find("limited")->quota_bytes, 10u << 20);
}

TEST(MountOptions, Paths) {
    EXPECT_TRUE(is_mountable_path("/var/lib/berth and more"));
    EXPECT_FALSE(is_mountable_path("/a,b"));
    EXPECT_FALSE(is_mountable_path("/a:b"));
}

TEST(Tree, DeepAndWide) {
    TemporaryFolder folder;
    UniqueFd top = sys::open_file(folder.path(), O_RDONLY | O_DIRECTORY);
    ASSERT_EQ(::mkdirat(top.get(), "tree", 0755), 0);
    UniqueFd at = sys::open_at(top.get(), "tree", O_RDONLY | O_DIRECTORY);
    // Deeper than descriptors and PATH_MAX reach.
    for (int i = 0; i < 3000; ++i) {
        ASSERT_EQ(::mkdirat(at.get(), "down", 0755), 0);
        if (i % 100 == 0) {
            UniqueFd file = sys::open_at(at.get(), "file", O_WRONLY | O_CREAT, 0644);
            sys::write_all(file.get(), "content", "file");
            ASSERT_EQ(::linkat(at.get(), "file", at.get(), "link", 0), 0);
        }
        at = sys::open_at(at.get(), "down", O_RDONLY | O_DIRECTORY);
    }
    EXPECT_EQ(disk_usage(top.get(), "tree"), du(folder.path() + "/tree"));
    EXPECT_EQ(disk_usage(top.get(), "absent"), 0u);
    remove_tree(top.get(), "tree");
    remove_tree(top.get(), "tree");
    EXPECT_FALSE(sys::exists(folder.path() + "/tree"));
}

TEST(Tree, IsCountedWhileItIsMovedAbout) {
    TemporaryFolder folder;
    std::string a = folder.path() + "/tree/a", b = folder.path() + "/tree/b/a";
    sys::make_dirs(a + "/in/side");
    sys::make_dirs(folder.path() + "/tree/b");
    for (int i = 0; i < 200; ++i) sys::make_dirs(fmt::format("{}/in/side/{}", a, i));
    std::atomic<bool> done = false;
    std::thread mover([&] {
        while (!done) {
            ::rename(a.c_str(), b.c_str());
            ::rename(b.c_str(), a.c_str());
        }
    });
    for (int i = 0; i < 200; ++i) EXPECT_NO_THROW(disk_usage(AT_FDCWD, folder.path() + "/tree"));
    done = true;
    mover.join();
    EXPECT_EQ(disk_usage(AT_FDCWD, folder.path() + "/tree"), du(folder.path() + "/tree"));
}

}  // namespace berth::store
