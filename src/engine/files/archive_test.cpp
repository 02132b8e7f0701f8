// SPDX-License-Identifier: Apache-2.0
#include "engine/files/archive.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "engine/files/beneath.h"
#include "engine/files/view_fixture.h"
#include "sys/tar_fixture.h"

namespace berth::engine {
namespace {

using sys::tar::RawTar;
using testing::ElementsAre;
using testing::HasSubstr;

class ArchiveTest : public ViewTest {
  protected:
    void link(const std::string& target, const std::string& name) const {
        ASSERT_EQ(::symlink(target.c_str(), at("image/" + name).c_str()), 0);
    }
    static std::string tar(std::initializer_list<std::tuple<std::string, char, std::string>> entries) {
        RawTar raw;
        for (const auto& [name, type, data] : entries) {
            bool is_link = type == '1' || type == '2';
            const std::string& target = data;
            raw.entry(name, type, is_link ? "" : data, [&](char* block) {
                if (is_link) RawTar::put(block, sys::tar::kLinkName, target);
                if (type == '5') RawTar::put(block, sys::tar::kMode, "0000755");
            });
        }
        return raw.end().bytes();
    }
    std::string text(const RootView& tree, const std::string& path) const {
        return read_file_in_root(tree.root(), path).value_or("(none)");
    }
};

TEST_F(ArchiveTest, StatTellsWhatDockerTells) {
    link("/etc/passwd", "link");
    ASSERT_EQ(::chmod(at("image/etc/passwd").c_str(), 04755), 0);
    auto tree = view();
    FileStat file = stat_path(*tree, "/etc/passwd", "box");
    EXPECT_EQ(file.name, "passwd");
    EXPECT_EQ(file.size, 15);
    EXPECT_EQ(file.mode, 0755U | 1U << 23);
    EXPECT_GT(file.mtime_ns, 0);
    EXPECT_EQ(file.link_target, "");
    FileStat symlink = stat_path(*tree, "link", "box");
    EXPECT_EQ(symlink.mode, 0777U | 1U << 27);
    EXPECT_EQ(symlink.link_target, "/etc/passwd");
    EXPECT_EQ(stat_path(*tree, "/", "box").name, "/");
    EXPECT_EQ(stat_path(*tree, "/etc/", "box").name, "etc");
    EXPECT_EQ(stat_path(*tree, "/etc/.", "box").name, ".");
    EXPECT_EQ(stat_path(*tree, "/etc", "box").mode, 0755U | 1U << 31);
    expect_error(ErrorKind::not_found, "Could not find the file /no/such in container box",
                 [&] { (void)stat_path(*tree, "/no/such", "box"); });
    expect_error(ErrorKind::invalid_argument, "not a directory",
                 [&] { (void)stat_path(*tree, "/etc/passwd/", "box"); });
}

TEST_F(ArchiveTest, GoFileModes) {
    EXPECT_EQ(go_file_mode(S_IFREG | 0644), 0644U);
    EXPECT_EQ(go_file_mode(S_IFDIR | 01777), 0777U | 0x80000000U | 0x00100000U);
    EXPECT_EQ(go_file_mode(S_IFCHR | 0600), 0600U | 0x04000000U | 0x00200000U);
    EXPECT_EQ(go_file_mode(S_IFBLK | 0600), 0600U | 0x04000000U);
    EXPECT_EQ(go_file_mode(S_IFIFO | 0600), 0600U | 0x02000000U);
    EXPECT_EQ(go_file_mode(S_IFREG | 06755), 0755U | 0x00800000U | 0x00400000U);
}

TEST_F(ArchiveTest, NamesBeginWithThePathsLast) {
    link("etc", "link");
    store::write_text(at("image/etc/z"), "z");
    ASSERT_EQ(::link(at("image/etc/z").c_str(), at("image/etc/zz").c_str()), 0);
    auto tree = view();
    auto etc = get(tree, "/etc");
    EXPECT_THAT(names(etc), ElementsAre("etc", "etc/passwd", "etc/z", "etc/zz"));
    EXPECT_EQ(etc.at("etc/passwd").content, "root:x:0:0::/:\n");
    EXPECT_EQ(etc.at("etc/zz").header.type, sys::TarType::hard_link);
    EXPECT_EQ(etc.at("etc/zz").header.link_target, "etc/z");
    EXPECT_THAT(names(get(tree, "/etc/.")), ElementsAre(".", "./passwd", "./z", "./zz"));
    EXPECT_THAT(names(get(tree, "etc/passwd")), ElementsAre("passwd"));
    EXPECT_THAT(names(get(tree, "/")), testing::IsSupersetOf({"/etc", "/etc/passwd", "/link"}));
    auto symlink = get(tree, "/link");
    EXPECT_THAT(names(symlink), ElementsAre("link"));
    EXPECT_EQ(symlink.at("link").header.link_target, "etc");
    EXPECT_THAT(names(get(tree, "/link/")), ElementsAre("link", "link/passwd", "link/z", "link/zz"));
}

TEST_F(ArchiveTest, MountsAreSentButNotTheKernels) {
    auto tree =
        view({{.destination = "/proc", .type = "bind", .source = "/proc", .options = {"bind"}},
              {.destination = "/vol", .type = "bind", .source = at("outside"), .options = {"rbind"}}});
    EXPECT_THAT(names(get(tree, "/")),
                ElementsAre("", "/etc", "/etc/passwd", "/proc", "/vol", "/vol/secret"));
    expect_error(ErrorKind::not_found, "Could not find the file /proc/version",
                 [&] { (void)get(tree, "/proc/version"); });
}

TEST_F(ArchiveTest, UnpacksThroughLinksWithinTheContainer) {
    sys::make_dirs(at("image/srv"));
    sys::make_dirs(at("image/opt/app"));
    link("/opt/app", "srv/current");
    auto tree = view();
    put(*tree, "/srv", tar({{"current/x", '0', "x"}}));
    EXPECT_EQ(text(*tree, "/opt/app/x"), "x");
    put(*tree, "/srv/current", store::gzipped(tar({{"dir/", '5', ""}, {"dir/y", '0', "y"}})));
    EXPECT_EQ(text(*tree, "/opt/app/dir/y"), "y");
    put(*tree, "/srv", tar({{"../srv2", '0', "x"}, {"", '5', ""}}).substr(1024));  // only the folder itself
    expect_error(ErrorKind::invalid_argument, "extraction point is not a directory",
                 [&] { put(*tree, "/etc/passwd", tar({{"x", '0', "x"}})); });
    expect_error(ErrorKind::not_found, "Could not find the file /none in container box",
                 [&] { put(*tree, "/none", tar({{"x", '0', "x"}})); });
}

TEST_F(ArchiveTest, ReplacesAndKeeps) {
    auto tree = view();
    put(*tree, "/", tar({{"etc/passwd", '0', "new"}, {"etc/sub/", '5', ""}, {"etc/sub/f", '0', "f"}}));
    EXPECT_EQ(text(*tree, "/etc/passwd"), "new");
    PutOptions keep{.no_overwrite_dir_non_dir = true, .owner = {}};
    expect_error(ErrorKind::invalid_argument, R"(cannot overwrite directory "/etc" with non-directory "/")",
                 [&] { put(*tree, "/", tar({{"etc", '0', "x"}}), keep); });
    expect_error(ErrorKind::invalid_argument,
                 R"(cannot overwrite non-directory "/etc/passwd" with directory)",
                 [&] { put(*tree, "/", tar({{"etc/passwd", '5', ""}}), keep); });
    put(*tree, "/", tar({{"etc/sub", '0', "file"}}));
    EXPECT_EQ(text(*tree, "/etc/sub"), "file");
    put(*tree, "/etc", tar({{"owned", '0', "x"}}), {.owner = std::pair<uid_t, gid_t>{12, 34}});
    struct stat status{};
    ASSERT_EQ(::stat(at("upper/etc/owned").c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, 12U);
    EXPECT_EQ(status.st_gid, 34U);
}

TEST_F(ArchiveTest, FoldersGetTheirTimesAfterTheirContent) {
    auto tree = view();
    put(*tree, "/etc", tar({{"a/", '5', ""}, {"a/b/", '5', ""}, {"a/b/c", '0', "c"}, {"a/d", '0', "d"}}));
    for (const char* name : {"a", "a/b", "a/b/c"})
        EXPECT_EQ(stat_path(*tree, std::string("/etc/") + name, "box").mtime_ns, 0) << name;
}

TEST_F(ArchiveTest, HostileArchivesStayInside) {
    auto tree = view();
    std::string outside = at("outside");
    put(*tree, "/etc", tar({{"/abs/f", '0', "abs"}}));
    EXPECT_EQ(text(*tree, "/etc/abs/f"), "abs");
    for (const char* name : {"../up", "a/../../up", "./../up"})
        expect_error(ErrorKind::invalid_argument, "is outside of",
                     [&] { put(*tree, "/etc", tar({{name, '0', "x"}})); });
    // A link to the host's folder, then through it: ends in the container, where that folder is not.
    EXPECT_THROW(put(*tree, "/etc", tar({{"out", '2', outside}, {"out/new", '0', "x"}})), Error);
    EXPECT_THROW(
        put(*tree, "/etc", tar({{"up", '2', "../../../../../../../../" + outside}, {"up/secret", '0', "x"}})),
        Error);
    // Hard links to the host's files, named directly and through a link.
    EXPECT_THROW(put(*tree, "/etc", tar({{"hard", '1', "../../../../../" + outside + "/secret"}})), Error);
    EXPECT_THROW(put(*tree, "/etc", tar({{"hard", '1', outside + "/secret"}})), Error);
    EXPECT_THROW(put(*tree, "/etc", tar({{"hard", '1', "out/secret"}})), Error);
    // A file in a link's place is a file.
    put(*tree, "/etc", tar({{"l", '2', outside + "/secret"}, {"l", '0', "mine"}}));
    EXPECT_EQ(text(*tree, "/etc/l"), "mine");
    EXPECT_EQ(store::read_text(outside + "/secret"), "secret");
    EXPECT_EQ(store::names_in(outside), std::vector<std::string>{"secret"});
    // Names of whiteouts are plain names here.
    put(*tree, "/etc", tar({{".wh.passwd", '0', ""}}));
    EXPECT_EQ(text(*tree, "/etc/passwd"), "root:x:0:0::/:\n");
    expect_error(ErrorKind::invalid_argument, "",
                 [&] { put(*tree, "/etc", "this is no archive" + std::string(600, 'x')); });
}

TEST_F(ArchiveTest, OddArchives) {
    auto tree = view();
    put(*tree, "/etc", "");
    put(*tree, "/", tar({{"../top", '0', "top"}}));
    EXPECT_EQ(text(*tree, "/top"), "top");
    std::string whole = tar({{"a", '0', std::string(2000, 'a')}});
    expect_error(ErrorKind::invalid_argument, "", [&] { put(*tree, "/etc", whole.substr(0, 1500)); });
    // Entries that come back to a folder that was left.
    put(*tree, "/etc",
        tar({{"d/", '5', ""}, {"d/x", '0', "x"}, {"e", '0', "e"}, {"d/y", '0', "y"}, {"d", '0', "file"}}));
    EXPECT_EQ(text(*tree, "/etc/d"), "file");
    std::string deep;
    for (int i = 0; i < 200; ++i) deep += "n/";
    put(*tree, "/etc", tar({{deep.substr(0, 90), '5', ""}}));
    put(*tree, "/etc/" + deep.substr(0, 90), tar({{"bottom", '0', "bottom"}}));
    EXPECT_EQ(text(*tree, "/etc/" + deep.substr(0, 90) + "bottom"), "bottom");
}

TEST_F(ArchiveTest, DevicesAreMadeAndNeverOpened) {
    auto tree = view();
    std::string device = RawTar()
                             .entry("null", '3', "",
                                    [](char* block) {
                                        RawTar::put(block, sys::tar::kDevMajor, "0000001");
                                        RawTar::put(block, sys::tar::kDevMinor, "0000003");
                                    })
                             .entry("fifo", '6')
                             .end()
                             .bytes();
    put(*tree, "/etc", device);
    auto entries = get(tree, "/etc");
    EXPECT_EQ(entries.at("etc/null").header.type, sys::TarType::char_device);
    EXPECT_EQ(entries.at("etc/null").header.dev_minor, 3U);
    EXPECT_EQ(entries.at("etc/fifo").header.type, sys::TarType::fifo);
}

TEST_F(ArchiveTest, WhatIsReadOnlyStaysSo) {
    sys::make_dirs(at("volume"));
    std::vector<spec::Mount> mounts = {
        {.destination = "/ro", .type = "bind", .source = at("outside"), .options = {"rbind", "ro"}},
        {.destination = "/rw", .type = "bind", .source = at("volume"), .options = {"rbind"}}};
    auto tree = view(mounts, true);
    expect_error(ErrorKind::forbidden, "container rootfs is marked read-only",
                 [&] { put(*tree, "/etc", tar({{"x", '0', "x"}})); });
    expect_error(ErrorKind::forbidden, "mounted volume is marked read-only",
                 [&] { put(*tree, "/ro", tar({{"x", '0', "x"}})); });
    put(*tree, "/rw", tar({{"x", '0', "x"}}));
    EXPECT_EQ(store::read_text(at("volume/x")), "x");
}

/// Exchanges <folder>/x between a folder and a symlink to the host's, as fast as it can.
class Swapper {
  public:
    Swapper(const std::string& folder, const std::string& target) {
        UniqueFd fd = sys::open_file(folder, O_PATH | O_DIRECTORY);
        sys::check(::mkdirat(fd.get(), "x", 0755), "mkdir");
        sys::check(::symlinkat(target.c_str(), fd.get(), "y"), "symlink");
        thread_ = std::thread([this, folder_fd = std::move(fd)] {
            while (!stop_) {
                ::renameat2(folder_fd.get(), "x", folder_fd.get(), "y", RENAME_EXCHANGE);
                ++swaps_;
            }
        });
        while (swaps_ == 0) std::this_thread::yield();
    }
    ~Swapper() {
        stop_ = true;
        thread_.join();
    }

  private:
    std::atomic<bool> stop_ = false;
    std::atomic<unsigned> swaps_ = 0;
    std::thread thread_;
};

TEST_F(ArchiveTest, SymlinksThatAreSwappedLeadNowhereElse) {
    sys::make_dirs(at("volume"));
    std::string inside = "inside";
    // The host's folder exists in the container too, under the same path, with content of its own.
    sys::make_dirs(at("image") + at("outside"));
    store::write_text(at("image") + at("outside/secret"), inside);
    auto tree = view({{.destination = "/vol", .type = "bind", .source = at("volume"), .options = {"rbind"}}});
    Swapper swapper(at("volume"), at("outside"));
    int seen = 0;
    for (int i = 0; i < 400; ++i) {
        try {
            for (const auto& [name, entry] : get(tree, "/vol/x/"))
                if (name.ends_with("/secret")) {
                    ++seen;
                    ASSERT_EQ(entry.content, inside);
                }
        } catch (const Error&) {
        }
        try {
            put(*tree, "/vol/x", tar({{"put", '0', "x"}, {"sub/put", '0', "x"}}));
        } catch (const Error&) {
        }
        try {
            put(*tree, "/vol", tar({{"x/put2", '0', "x"}}));
        } catch (const Error&) {
        }
    }
    EXPECT_GT(seen, 0);
    EXPECT_EQ(store::names_in(at("outside")), std::vector<std::string>{"secret"});
    EXPECT_EQ(store::read_text(at("outside/secret")), "secret");
}

}  // namespace
}  // namespace berth::engine
