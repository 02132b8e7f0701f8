// SPDX-License-Identifier: Apache-2.0
#include "engine/volumes/mounts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

#include "base/error.h"

namespace berth::engine {
namespace {

using spec::api::ContainerConfig;
using spec::api::HostConfig;
using spec::api::Mount;
using testing::HasSubstr;

std::string error_of(const std::function<void()>& body) {
    try {
        body();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument) << error.what();
        return error.what();
    }
    return "(no error)";
}

TEST(MountWords, AreRefusedAsDockerDoes) {
    const std::tuple<const char*, const char*> kCases[] = {
        {"", "invalid volume specification: ''"},
        {":/x", "invalid volume specification: ':/x'"},
        {"/x:ro", "invalid volume specification: '/x:ro'"},
        {"/a:", "invalid volume specification: '/a:'"},
        {"/a:/b:ro:z", "invalid volume specification: '/a:/b:ro:z'"},
        {"/a:/b:bad", "invalid mode: bad"},
        {"/a:/b:ro,rw", "invalid mode: ro,rw"},
        {"/a:/b:z,Z", "invalid mode: z,Z"},
        {"/a:/b:shared,slave", "invalid mode: shared,slave"},
        {"/a:/b:ro,", "invalid mode: ro,"},
        {"/a:b",
         "invalid volume specification: '/a:b': invalid mount config for type \"bind\": invalid mount "
         "path: 'b' mount path must be absolute"},
        {"x",
         "invalid volume specification: 'x': invalid mount config for type \"volume\": invalid mount path: "
         "'x' mount path must be absolute"},
        {"/a:/",
         "invalid volume specification: '/a:/': invalid mount config for type \"bind\": invalid "
         "specification: destination can't be '/'"},
        {"/a:/b/..",
         "invalid volume specification: '/a:/b/..': invalid mount config for type \"bind\": invalid "
         "specification: destination can't be '/'"},
        {"name:/b:shared",
         "invalid volume specification: 'name:/b:shared': invalid mount config for type "
         "\"volume\": field BindOptions must not be specified"},
        {"/a:/b:nocopy",
         "invalid volume specification: '/a:/b:nocopy': invalid mount config for type \"bind\": "
         "field VolumeOptions must not be specified"},
        {"name:/b:rro",
         "mount mode \"rro\" requires a bind mount: invalid volume specification: 'name:/b:rro'"},
    };
    for (const auto& [word, message] : kCases)
        EXPECT_EQ(error_of([&] { (void)parse_bind_word(word, ""); }), message) << word;
}

TEST(MountWords, SayWhatIsMounted) {
    MountPoint bind = parse_bind_word("/a//b/:/x/../y:ro,rslave,Z", "");
    EXPECT_EQ(bind.type, "bind");
    EXPECT_EQ(bind.source, "/a/b");
    EXPECT_EQ(bind.destination, "/y");
    EXPECT_EQ(bind.mode, "ro,rslave,Z");
    EXPECT_EQ(bind.propagation, "rslave");
    EXPECT_FALSE(bind.rw);
    EXPECT_TRUE(bind.make_source);
    EXPECT_EQ(parse_bind_word("/a:/b", "").propagation, "rprivate");
    EXPECT_EQ(parse_bind_word("/a:/b", "").mode, "");
    EXPECT_TRUE(parse_bind_word("/a:/b:rro", "").spec.BindOptions_->ReadOnlyForceRecursive);
    EXPECT_TRUE(parse_bind_word("/a:/b:ro-non-recursive", "").spec.BindOptions_->ReadOnlyNonRecursive);

    MountPoint volume = parse_bind_word("name:/x:nocopy,ro", "local");
    EXPECT_EQ(volume.type, "volume");
    EXPECT_EQ(volume.name, "name");
    EXPECT_EQ(volume.driver, "local");
    EXPECT_FALSE(volume.copy_data);
    EXPECT_FALSE(volume.rw);
    EXPECT_EQ(parse_bind_word("name:/x", "").mode, "z");
    EXPECT_TRUE(parse_bind_word("name:/x", "").copy_data);
    EXPECT_EQ(parse_bind_word("/x", "").name, "");
}

Mount mount_of(const std::string& type, const std::string& source, const std::string& target) {
    Mount mount;
    mount.Type = type;
    mount.Source = source;
    mount.Target = target;
    return mount;
}

TEST(Mounts, AreRefusedAsDockerDoes) {
    auto changed = [](Mount mount, const std::function<void(Mount&)>& change) {
        change(mount);
        return mount;
    };
    Mount volume = mount_of("volume", "name", "/x");
    const std::tuple<Mount, const char*> kCases[] = {
        {mount_of("bind", "/tmp", ""),
         R"(invalid mount config for type "bind": field Target must not be empty)"},
        {mount_of("bind", "", "/x"),
         R"(invalid mount config for type "bind": field Source must not be empty)"},
        {mount_of("bind", "/no/such", "/x"),
         R"(invalid mount config for type "bind": bind source path does not exist: /no/such)"},
        {mount_of("bind", "rel", "/x"),
         R"(invalid mount config for type "bind": invalid mount path: 'rel' mount path must be absolute)"},
        {mount_of("volume", "x", "y"),
         R"(invalid mount config for type "volume": invalid mount path: 'y' mount path must be absolute)"},
        {mount_of("tmpfs", "/a", "/x"),
         R"(invalid mount config for type "tmpfs": field Source must not be specified)"},
        {mount_of("image", "", "/x"),
         R"(invalid mount config for type "image": field Source must not be empty)"},
        {mount_of("npipe", "a", "/x"), R"(invalid mount config for type "npipe": mount type unknown)"},
        {mount_of("", "a", "/x"), R"(invalid mount config for type "": mount type unknown)"},
        {changed(volume, [](Mount& m) { m.BindOptions_.emplace(); }),
         R"(invalid mount config for type "volume": field BindOptions must not be specified)"},
        {changed(mount_of("volume", "", "/x"), [](Mount& m) { m.ReadOnly = true; }),
         R"(invalid mount config for type "volume": must not set ReadOnly mode when using anonymous volumes)"},
        {changed(volume, [](Mount& m) { m.VolumeOptions_.emplace().Subpath = "../x"; }),
         R"(invalid mount config for type "volume": subpath must be a relative path within the volume)"},
        {changed(mount_of("volume", "", "/x"), [](Mount& m) { m.VolumeOptions_.emplace().Subpath = "x"; }),
         R"(invalid mount config for type "volume": must not set Subpath when using anonymous volumes)"},
        {changed(mount_of("bind", "/tmp", "/x"),
                 [](Mount& m) { m.BindOptions_.emplace().Propagation = "odd"; }),
         R"(invalid mount config for type "bind": invalid propagation mode: odd)"},
        {changed(mount_of("tmpfs", "", "/x"),
                 [](Mount& m) { m.TmpfsOptions_.emplace().Options = {{"uid", "1"}}; }),
         R"(invalid mount config for type "tmpfs": invalid option: uid)"},
    };
    for (const auto& [mount, message] : kCases)
        EXPECT_EQ(error_of([&, &wanted = mount] { (void)parse_mount(wanted); }), message);
}

TEST(Mounts, SayWhatIsMounted) {
    EXPECT_FALSE(parse_mount(mount_of("bind", "/tmp", "/x")).make_source);
    Mount made = mount_of("bind", "/no/such", "/x");
    made.BindOptions_.emplace().CreateMountpoint = true;
    EXPECT_TRUE(parse_mount(made).make_source);
    Mount tmpfs = mount_of("tmpfs", "", "/x");
    tmpfs.ReadOnly = true;
    tmpfs.TmpfsOptions_.emplace();
    tmpfs.TmpfsOptions_->Mode = 0700;
    tmpfs.TmpfsOptions_->SizeBytes = 4096;
    tmpfs.TmpfsOptions_->Options = {{"exec"}};
    EXPECT_EQ(tmpfs_options(tmpfs), "ro,mode=700,size=4096,exec");
    EXPECT_FALSE(parse_mount(mount_of("image", "busybox", "/x")).rw);
}

TEST(Mounts, OfOtherContainers) {
    EXPECT_EQ(parse_volumes_from("box").reference, "box");
    EXPECT_TRUE(parse_volumes_from("box:").rw);
    EXPECT_FALSE(parse_volumes_from("box:ro,z").rw);
    EXPECT_EQ(error_of([] { (void)parse_volumes_from(""); }),
              "volumes-from specification cannot be an empty string");
    for (const char* mode : {"bad", "shared", "nocopy"})
        EXPECT_EQ(error_of([&] { (void)parse_volumes_from(std::string("box:") + mode); }),
                  std::string("invalid mode: ") + mode);
    EXPECT_EQ(error_of([] { (void)parse_volumes_from("box:rro"); }),
              R"(mount mode "rro" is not supported for volumes-from mounts: invalid mode: rro)");
}

TEST(Tmpfs, IsChecked) {
    check_tmpfs("/x", "");
    check_tmpfs("/x", "size=64m,mode=1777,exec,uid=5");
    EXPECT_EQ(error_of([] { check_tmpfs("/", ""); }), "invalid specification: destination can't be '/'");
    EXPECT_EQ(error_of([] { check_tmpfs("x", ""); }), "invalid mount path: 'x' mount path must be absolute");
    EXPECT_EQ(error_of([] { check_tmpfs("/x", "size=1m,odd"); }), R"(invalid tmpfs option ["odd"])");
}

class ResolveTest : public testing::Test {
  protected:
    std::map<std::string, MountPoint> resolve() {
        MountsRequest request{.config = config,
                              .host = host,
                              .volumes_from =
                                  [this](const std::string& reference) {
                                      if (others.contains(reference)) return others.at(reference);
                                      throw Error(ErrorKind::not_found, "No such container: " + reference);
                                  },
                              .data_root = "/var/lib/berth"};
        std::map<std::string, MountPoint> result;
        for (MountPoint& point : resolve_mounts(request)) result.emplace(point.destination, point);
        return result;
    }
    ContainerConfig config;
    HostConfig host;
    std::map<std::string, std::vector<MountPoint>> others;
};

TEST_F(ResolveTest, OneMountForEachPlace) {
    config.Volumes = {{"/img/", {}}, {"/from", {}}, {"/bind", {}}, {"/tmp", {}}};
    MountPoint from = parse_bind_word("shared:/from:ro", ""), hidden = parse_bind_word("hidden:/bind", "");
    MountPoint writable = parse_bind_word("/host:/other", "");
    others["box"] = {from, hidden, writable};
    host.VolumesFrom = {"box:ro"};
    host.Binds = {"/host:/bind"};
    host.Mounts = {mount_of("volume", "", "/anonymous")};
    host.Tmpfs = {{"/tmp", "size=1m"}};
    auto points = resolve();
    ASSERT_EQ(points.size(), 5U);
    EXPECT_EQ(points.at("/img").type, "volume");
    EXPECT_EQ(points.at("/img").mode, "");
    EXPECT_TRUE(points.at("/img").copy_data);
    EXPECT_EQ(points.at("/from").name, "shared");
    EXPECT_FALSE(points.at("/from").copy_data);
    EXPECT_FALSE(points.at("/other").rw);
    EXPECT_EQ(points.at("/bind").type, "bind");
    EXPECT_EQ(points.at("/anonymous").mode, "z");
}

TEST_F(ResolveTest, APlaceTwice) {
    host.Binds = {"a:/x", "b:/x/"};
    EXPECT_EQ(error_of([&] { resolve(); }), "Duplicate mount point: /x");
    host.Binds = {"a:/x"};
    host.Mounts = {mount_of("volume", "b", "/x")};
    EXPECT_EQ(error_of([&] { resolve(); }), "Duplicate mount point: /x");
    host.Mounts.clear();
    host.Tmpfs = {{"/x", ""}};
    EXPECT_EQ(error_of([&] { resolve(); }), "Duplicate mount point: /x");
}

TEST_F(ResolveTest, AnotherContainerThatIsNotThere) {
    host.VolumesFrom = {"none"};
    EXPECT_EQ(error_of([&] { resolve(); }), "No such container: none");
}

TEST_F(ResolveTest, TheDaemonsOwnFolderIsASlave) {
    host.Binds = {"/:/host", "/var/lib/berth/volumes:/v:rshared", "/var/lib/berthold:/b"};
    auto points = resolve();
    EXPECT_EQ(points.at("/host").propagation, "rslave");
    EXPECT_EQ(points.at("/v").propagation, "rshared");
    EXPECT_EQ(points.at("/b").propagation, "rprivate");
    host.Binds = {"/var:/v:private"};
    EXPECT_THAT(error_of([&] { resolve(); }), HasSubstr("must use either propagation mode \"rslave\" or"));
}

}  // namespace
}  // namespace berth::engine
