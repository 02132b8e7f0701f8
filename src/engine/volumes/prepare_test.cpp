// SPDX-License-Identifier: Apache-2.0
#include "engine/volumes/prepare.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "engine/files/beneath.h"
#include "engine/files/view_fixture.h"
#include "engine/volumes/propagation.h"

namespace berth::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class PrepareTest : public ViewTest {
  protected:
    void SetUp() override {
        ViewTest::SetUp();
        sys::make_dirs(at("volumes/v/_data/sub/deep"));
        request.data_root = at("");
        request.mount_folder = at("mounts");
        request.volumes["v"] = {.name = "v", .driver = "local", .mountpoint = at("volumes/v/_data")};
        request.image_plan = [this](const std::string&) {
            sys::make_dirs(at("empty"));
            return store::MountPlan{.type = "overlay",
                                    .source = "overlay",
                                    .options = {"lowerdir=" + at("image") + ":" + at("empty")}};
        };
    }
    void add(const std::string& word) { request.mounts.push_back(parse_bind_word(word, "")); }
    void add(const std::string& type, const std::string& source,
             const std::function<void(spec::api::Mount&)>& change) {
        spec::api::Mount mount;
        mount.Type = type;
        mount.Source = source;
        mount.Target = "/x";
        change(mount);
        request.mounts.push_back(parse_mount(mount));
    }
    std::vector<std::string> options() const { return prepare_mounts(request).mounts.at(0).options; }

    PrepareRequest request;
};

TEST_F(PrepareTest, FoldersComeBeforeWhatLiesInThem) {
    add("v:/a/b/c");
    add(at("outside") + ":/a");
    request.tmpfs = {{"/a/b/", "size=1m,exec"}};
    PreparedMounts prepared = prepare_mounts(request);
    ASSERT_EQ(prepared.mounts.size(), 3U);
    EXPECT_EQ(prepared.mounts[0].destination, "/a");
    EXPECT_EQ(prepared.mounts[1].destination, "/a/b");
    EXPECT_THAT(prepared.mounts[1].options,
                ElementsAre("noexec", "nosuid", "nodev", "rprivate", "size=1m", "exec"));
    EXPECT_EQ(prepared.mounts[2].source, at("volumes/v/_data"));
    EXPECT_EQ(prepared.rootfs_propagation, "");
}

TEST_F(PrepareTest, ATmpfsWinsOverAMountAtItsPlace) {
    add("v:/x");
    request.tmpfs = {{"/x", ""}};
    PreparedMounts prepared = prepare_mounts(request);
    ASSERT_EQ(prepared.mounts.size(), 1U);
    EXPECT_EQ(prepared.mounts[0].type, "tmpfs");
}

TEST_F(PrepareTest, ReadOnlyIsRecursiveUnlessAskedOtherwise) {
    auto options_of = [&](const std::function<void(spec::api::BindOptions&)>& change) {
        request.mounts.clear();
        add("bind", "/tmp", [&](spec::api::Mount& mount) {
            mount.ReadOnly = true;
            change(mount.BindOptions_.emplace());
        });
        return options();
    };
    EXPECT_THAT(options_of([](auto&) {}), ElementsAre("rbind", "ro", "rro", "rprivate"));
    EXPECT_THAT(options_of([](auto& bind) { bind.NonRecursive = true; }),
                ElementsAre("bind", "ro", "rprivate"));
    EXPECT_THAT(options_of([](auto& bind) { bind.ReadOnlyNonRecursive = true; }),
                ElementsAre("rbind", "ro", "rprivate"));
    request.mounts.clear();
    add("/tmp:/x");
    EXPECT_THAT(options(), ElementsAre("rbind", "rprivate"));
}

TEST_F(PrepareTest, MissingSources) {
    add(at("new/folder") + ":/x");
    (void)prepare_mounts(request);
    struct stat status{};
    ASSERT_EQ(::stat(at("new/folder").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0755U);
    request.mounts[0].source = at("outside/secret/x");
    expect_error(ErrorKind::invalid_argument, "error while creating mount source path",
                 [&] { (void)prepare_mounts(request); });
    request.mounts[0].source = at("none");
    request.mounts[0].make_source = false;
    expect_error(ErrorKind::invalid_argument, "bind source path does not exist: " + at("none"),
                 [&] { (void)prepare_mounts(request); });
    request.mounts = {parse_bind_word("w:/x", "")};
    expect_error(ErrorKind::not_found, "get w: no such volume", [&] { (void)prepare_mounts(request); });
}

TEST_F(PrepareTest, SubpathsStayInTheVolume) {
    auto with_subpath = [&](const std::string& subpath) {
        request.mounts.clear();
        add("volume", "v",
            [&](spec::api::Mount& mount) { mount.VolumeOptions_.emplace().Subpath = subpath; });
    };
    std::string data = at("volumes/v/_data");
    store::write_text(data + "/sub/deep/file", "deep");
    with_subpath("sub/deep");
    PreparedMounts prepared = prepare_mounts(request);
    EXPECT_THAT(prepared.mounts[0].source, testing::StartsWith("/proc/"));
    // Exchanged after the look-up: the mount is of what was looked up.
    ASSERT_EQ(::rename((data + "/sub").c_str(), (data + "/moved").c_str()), 0);
    ASSERT_EQ(::symlink(at("outside").c_str(), (data + "/sub").c_str()), 0);
    auto tree = view(prepared.mounts);
    EXPECT_EQ(read_file_in_root(tree->root(), "/x/file"), "deep");
    with_subpath("sub");
    expect_error(ErrorKind::invalid_argument, "path concatenation escapes the base directory",
                 [&] { (void)prepare_mounts(request); });
    with_subpath("none");
    expect_error(ErrorKind::invalid_argument, "no such file or directory",
                 [&] { (void)prepare_mounts(request); });
}

TEST_F(PrepareTest, VolumesWithOptionsAreMountsOfTheirOwn) {
    Volume& volume = request.volumes["v"];
    add("v:/x:ro");
    volume.options = {{"type", "nfs"}, {"device", ":/export"}, {"o", "addr=127.0.0.1,nfsvers=4"}};
    spec::Mount nfs = prepare_mounts(request).mounts.at(0);
    EXPECT_EQ(nfs.type, "nfs");
    EXPECT_EQ(nfs.source, ":/export");
    EXPECT_THAT(nfs.options, ElementsAre("addr=127.0.0.1", "nfsvers=4", "ro"));
    volume.options = {{"type", "none"}, {"device", at("outside")}, {"o", "bind"}};
    spec::Mount bind = prepare_mounts(request).mounts.at(0);
    EXPECT_EQ(bind.type, "bind");
    EXPECT_EQ(bind.source, at("outside"));
    EXPECT_THAT(bind.options, ElementsAre("bind", "ro"));
    volume.options["device"] = "/no/such";
    expect_error(ErrorKind::invalid_argument,
                 "failed to mount local volume: mount /no/such:", [&] { (void)prepare_mounts(request); });
    volume.options = {{"type", "tmpfs"}, {"device", "tmpfs"}};
    EXPECT_EQ(prepare_mounts(request).mounts.at(0).source, volume.mountpoint);
}

TEST_F(PrepareTest, ImagesAreMountedForAMoment) {
    add("image", "busybox", [](spec::api::Mount& mount) { mount.ImageOptions.emplace().Subpath = "etc"; });
    std::shared_ptr<RootView> tree;
    {
        PreparedMounts prepared = prepare_mounts(request);
        EXPECT_EQ(store::names_in(at("mounts")).size(), 1U);
        tree = view(prepared.mounts);
    }
    EXPECT_TRUE(store::names_in(at("mounts")).empty());
    EXPECT_EQ(read_file_in_root(tree->root(), "/x/passwd"), "root:x:0:0::/:\n");
    // What a killed daemon left.
    sys::make_dirs(at("mounts/left"));
    store::mount(request.image_plan(""), at("mounts/left"));
    clean_mount_folder(at("mounts"));
    EXPECT_TRUE(store::names_in(at("mounts")).empty());
}

TEST_F(PrepareTest, PropagationNeedsASourceThatHasIt) {
    store::in_own_mounts([&] {
        std::string place = at("outside"), inner = place + "/in ner";
        sys::check(::mount("tmpfs", place.c_str(), "tmpfs", 0, nullptr), "mount");
        sys::make_dirs(inner);
        std::string message;
        try {
            check_propagation(inner, "rshared");
        } catch (const Error& error) {
            message = error.what();
        }
        store::require(
            message == "path " + inner + " is mounted on " + place + " but it is not a shared mount",
            message);
        check_propagation(inner, "rprivate");
        sys::check(::mount(nullptr, place.c_str(), nullptr, MS_SHARED, nullptr), "share");
        check_propagation(inner, "shared");
        check_propagation(inner, "rslave");
        add(inner + ":/x:shared");
        request.data_root = "/no/such";
        PreparedMounts prepared = prepare_mounts(request);
        store::require(prepared.rootfs_propagation == "shared", prepared.rootfs_propagation);
        sys::check(::mount("tmpfs", inner.c_str(), "tmpfs", 0, nullptr), "mount");
        store::require(source_mount(inner).point == inner, source_mount(inner).point);
        sys::check(::umount2(inner.c_str(), MNT_DETACH), "unmount");
        sys::check(::umount2(place.c_str(), MNT_DETACH), "unmount");
    });
}

}  // namespace
}  // namespace berth::engine
