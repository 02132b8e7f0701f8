// SPDX-License-Identifier: Apache-2.0
#include "store/unpack.h"

#include <sys/xattr.h>

#include "store/layer_fixture.h"
#include "sys/tar_fixture.h"

namespace berth::store {
namespace {

using sys::TarHeader;
using sys::TarType;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using namespace std::string_literals;

const UnpackOptions kApply{.whiteouts = WhiteoutFormat::apply};
const UnpackOptions kNone{.whiteouts = WhiteoutFormat::none};

class UnpackTest : public LayerTest {
  protected:
    bool is_whiteout_at(const std::string& name) { return is_whiteout(status(name)); }
    bool is_opaque_at(const std::string& name) { return is_opaque(sys::open_file(at(name), O_RDONLY).get()); }
    std::string read(const std::string& name) { return sys::read_file(at(name)); }
};

TEST_F(UnpackTest, KeepsEverythingOfAFile) {
    TarHeader file = Archive::header("f", TarType::file, 06755);
    file.uid = 1000;
    file.gid = 50;
    file.mtime = {-7, 123'456'789};
    file.xattrs = {{"user.a", "b"},
                   {"security.capability", std::string("\1\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20)}};
    TarHeader folder = Archive::header("d", TarType::directory, 02700);
    folder.gid = 50;
    folder.mtime = {1000, 5};
    TarHeader null = Archive::header("d/null", TarType::char_device, 0666);
    null.dev_major = 1;
    null.dev_minor = 3;
    null.uid = 7;
    TarHeader link = Archive::header("l", TarType::symlink, 0777);
    link.link_target = "/etc/../passwd";
    link.uid = 9;
    TarHeader fifo = Archive::header("p", TarType::fifo, 0602);
    unpack_text(Archive().add(file, "data").add(folder).add(null).file("d/x").add(link).add(fifo).bytes(),
                "r");
    Tree tree = describe("r");
    EXPECT_THAT(tree["f"], HasSubstr("106755 1000:50 -7.123456789 4 "));
    EXPECT_THAT(tree["f"], HasSubstr("security.capability="));
    EXPECT_THAT(tree["f"], HasSubstr("user.a=\"b\""));
    EXPECT_EQ(tree["d"], "42700 0:50 1000.5");
    EXPECT_EQ(tree["d/null"], "20666 7:0 1500000000.0 1:3");
    EXPECT_THAT(tree["d/x"], HasSubstr("100644 0:0 "));  // not the folder's group
    EXPECT_EQ(tree["l"], "120777 9:0 1500000000.0 -> /etc/../passwd");
    EXPECT_EQ(tree["p"], "10602 0:0 1500000000.0");
}

TEST_F(UnpackTest, ModesDoNotDependOnTheUmask) {
    mode_t before = ::umask(077);
    unpack_text(Archive().file("f", "", 0666).dir("d", 0777).dir("d/e", 01777).bytes(), "r");
    ::umask(before);
    EXPECT_EQ(status("r/f").st_mode & 07777, 0666U);
    EXPECT_EQ(status("r/d").st_mode & 07777, 0777U);
    EXPECT_EQ(status("r/d/e").st_mode & 07777, 01777U);
}

TEST_F(UnpackTest, FoldersKeepTheirTimesHoweverOftenTheyAreEntered) {
    unpack_text(
        Archive().dir("a").dir("a/b").file("a/b/1").dir("c").file("c/1").file("a/b/2").file("a/3").bytes(),
        "r");
    for (const char* name : {"r/a", "r/a/b", "r/c"})
        EXPECT_EQ(status(name).st_mtim.tv_sec, 1'500'000'000) << name;
}

TEST_F(UnpackTest, TheEntryOfAFolderMayComeAfterItsFiles) {
    UnpackResult result =
        unpack_text(Archive().file("a/b/f").dir("a/b", 0700).dir("a", 0711).dir(".", 0750).bytes(), "r");
    EXPECT_THAT(result.implied_directories, IsEmpty());
    EXPECT_EQ(status("r/a").st_mode & 07777, 0711U);
    EXPECT_EQ(status("r/a/b").st_mode & 07777, 0700U);
    EXPECT_EQ(status("r/a/b").st_mtim.tv_sec, 1'500'000'000);
    EXPECT_EQ(status("r").st_mode & 07777, 0750U);
    EXPECT_EQ(status("r").st_mtim.tv_sec, 1'500'000'000);
}

TEST_F(UnpackTest, TellsWhatIsImplied) {
    UnpackResult result = unpack_text(Archive().file("z/y/f", "12345").file("a/f").bytes(), "r");
    EXPECT_THAT(result.implied_directories, ElementsAre(".", "a", "z", "z/y"));
    EXPECT_EQ(result.bytes, 5U);
    EXPECT_EQ(result.entries, 2U);
    EXPECT_EQ(status("r/z/y").st_mode & 07777, 0755U);
}

TEST_F(UnpackTest, LongAndDeepNames) {
    std::string deep;
    for (int i = 0; i < 120; ++i) deep += std::string(200, static_cast<char>('a' + i % 26)) + "/";
    // Back and forth, so that folders that are no longer open are entered again.
    std::string half = deep.substr(0, 60 * 201);
    Archive archive;
    archive.file(deep + "f1", "one")
        .file(half + "f2", "two")
        .file(deep + "f3")
        .hard_link(half + "link", deep + "f1");
    unpack_text(archive.bytes(), "r");
    Tree tree;
    UniqueFd fd = folder("r");
    for (int i = 0; i < 120; ++i) {
        std::string name(200, static_cast<char>('a' + i % 26));
        if (i == 60) {
            EXPECT_EQ(sys::read_file_at(fd.get(), "f2"), "two");
            EXPECT_EQ(sys::read_file_at(fd.get(), "link"), "one");
        }
        fd = sys::open_at(fd.get(), name, O_RDONLY | O_DIRECTORY);
    }
    EXPECT_EQ(sys::read_file_at(fd.get(), "f1"), "one");
    EXPECT_THAT(sys::list_dir(fd.get()), testing::UnorderedElementsAre("f1", "f3"));
}

TEST_F(UnpackTest, SparseFilesKeepTheirHoles) {
    sys::tar::RawTar tar;
    tar.pax({{"GNU.sparse.map", "0,4,1048576,4"}, {"GNU.sparse.size", "2097152"}})
        .entry("f", '0', "headtail")
        .end();
    UnpackResult result = unpack_text(tar.bytes(), "r");
    EXPECT_EQ(result.bytes, 2097152U);
    struct stat file = status("r/f");
    EXPECT_EQ(file.st_size, 2097152);
    EXPECT_LT(file.st_blocks * 512, 100'000);
    std::string content = read("r/f");
    EXPECT_EQ(content.substr(0, 4), "head");
    EXPECT_EQ(content.substr(1048576, 4), "tail");
}

TEST_F(UnpackTest, LaterEntriesReplaceEarlierOnes) {
    Archive archive;
    archive.file("a", "old").file("a", "new").dir("d").file("d/f").symlink("d", "elsewhere");
    archive.symlink("s", "x")
        .dir("s", 0700)
        .file("s/f", "in")
        .hard_link("h", "a")
        .file("h", "own")
        .dir("k")
        .file("k/1");
    archive.dir("k", 0711);
    unpack_text(archive.bytes(), "r");
    EXPECT_EQ(read("r/a"), "new");
    EXPECT_TRUE(S_ISLNK(status("r/d").st_mode));
    EXPECT_EQ(read("r/s/f"), "in");
    EXPECT_EQ(read("r/h"), "own");
    EXPECT_EQ(status("r/a").st_nlink, 1U);
    EXPECT_TRUE(is_there("r/k/1"));
    EXPECT_EQ(status("r/k").st_mode & 07777, 0711U);
}

TEST_F(UnpackTest, WhiteoutsBecomeOverlays) {
    Archive archive;
    archive.dir("d").file("d/.wh..wh..opq").file("d/.wh.gone").file(".wh.top").file("deep/er/.wh.x");
    UnpackResult result = unpack_text(archive.bytes(), "r");
    EXPECT_TRUE(is_opaque_at("r/d"));
    EXPECT_TRUE(is_whiteout_at("r/d/gone"));
    EXPECT_TRUE(is_whiteout_at("r/top"));
    EXPECT_TRUE(is_whiteout_at("r/deep/er/x"));
    EXPECT_THAT(result.implied_directories, ElementsAre(".", "deep", "deep/er"));
}

TEST_F(UnpackTest, WhiteoutsMeanOnlyLayersBelow) {
    Archive archive;
    archive.file("f", "kept").file(".wh.f");     // file first
    archive.file(".wh.g").file("g", "kept");     // whiteout first
    archive.dir("d").file("d/x").file(".wh.d");  // a folder that hides the one below
    archive.file(".wh.e").dir("e").file("e/x");
    archive.file(".wh.i").file("i/x");  // without an entry of its own
    archive.file(".wh.twice").file(".wh.twice");
    archive.file(".wh.l").symlink("l", "x");
    unpack_text(archive.bytes(), "r");
    EXPECT_EQ(read("r/f"), "kept");
    EXPECT_EQ(read("r/g"), "kept");
    for (const char* name : {"r/d", "r/e", "r/i"}) {
        EXPECT_TRUE(is_opaque_at(name)) << name;
        EXPECT_TRUE(is_there(std::string(name) + "/x")) << name;
    }
    EXPECT_TRUE(is_whiteout_at("r/twice"));
    EXPECT_TRUE(S_ISLNK(status("r/l").st_mode));
}

TEST_F(UnpackTest, WhiteoutTricks) {
    for (const char* name : {".wh.", ".wh..", ".wh...", "a/.wh.", "a/.wh..", "a/.wh..."})
        EXPECT_THAT(unpack_error(Archive().file(name).bytes(), "r"), HasSubstr("a whiteout of no file"))
            << name;
    EXPECT_THAT(unpack_error(Archive().file(".wh.a/b").bytes(), "r"), HasSubstr("lies in a whiteout"));
    EXPECT_THAT(unpack_error(Archive().dir(".wh.a").bytes(), "r"), HasSubstr("whiteout that is a folder"));
    // AUFS's own files.
    unpack_text(Archive().file(".wh..wh.aufs").dir(".wh..wh.plnk").file(".wh..wh.plnk/12.34").bytes(), "r2");
    EXPECT_THAT(describe("r2"), IsEmpty());
}

TEST_F(UnpackTest, AppliedWhiteoutsDelete) {
    make_folder("r");
    make_folder("r/d");
    make_folder("r/d/sub");
    write("r/d/old", "");
    write("r/gone", "");
    write("r/kept", "");
    Archive archive;
    archive.file("d/new").file("d/.wh..wh..opq").file(".wh.gone").file(".wh.never").file("x").file(".wh.x");
    unpack_text(archive.bytes(), "r", kApply);
    Tree tree = describe("r");
    std::vector<std::string> names;
    for (const auto& [name, line] : tree) names.push_back(name);
    EXPECT_THAT(names, ElementsAre("d", "d/new", "kept", "x"));
}

TEST_F(UnpackTest, WithoutWhiteoutsNamesAreNames) {
    unpack_text(Archive().file(".wh.f", "x").bytes(), "r", kNone);
    EXPECT_EQ(read("r/.wh.f"), "x");
}

TEST_F(UnpackTest, UnpacksOverWhatIsThere) {
    make_folder("r");
    make_folder("r/d");
    write("r/d/f", "old", 0600);
    ::symlink("d", at("r/l").c_str());
    ::chmod(at("r/d").c_str(), 0711);
    unpack_text(Archive().file("d/f", "new").file("l", "was a link").bytes(), "r", kNone);
    EXPECT_EQ(read("r/d/f"), "new");
    EXPECT_EQ(status("r/d").st_mode & 07777, 0711U);
    EXPECT_EQ(read("r/l"), "was a link");
}

TEST_F(UnpackTest, NothingIsMadeOutside) {
    make_folder("outside");
    write("outside/f", "untouched");
    std::string outside = at("outside");
    struct Trick {
        const char* error;
        std::string archive;
    };
    const Trick tricks[] = {
        {"\"..\"", Archive().file("../outside/f", "x").bytes()},
        {"\"..\"", Archive().file("a/../../outside/f", "x").bytes()},
        {"\"..\"", Archive().file("/../outside/f", "x").bytes()},
        {"\"..\"", Archive().dir("..").bytes()},
        {"too many levels", Archive().symlink("l", "l").file("l/f", "x").bytes()},
        {"too many levels", Archive().symlink("l", "m").symlink("m", "/l").dir("m/f").bytes()},
        {"not a folder", Archive().file("f").symlink("l", "f").file("l/x", "x").bytes()},
        {"lies in a whiteout", Archive().symlink("l", ".wh.f").file("l/.wh.x").bytes()},
        {"\"..\"", Archive().hard_link("h", "../outside/f").bytes()},
        {"a hard link to the root", Archive().hard_link("h", "/").bytes()},
        {"a hard link to a folder", Archive().dir("d").hard_link("h", "d").bytes()},
        {"root of the archive is not a folder", Archive().symlink(".", outside).bytes()},
        {"root of the archive is not a folder", Archive().file(".").bytes()},
    };
    Tree before = describe("outside", true);
    int number = 0;
    for (const Trick& trick : tricks)
        for (const UnpackOptions& options : {UnpackOptions{}, kApply, kNone}) {
            if (options.whiteouts == WhiteoutFormat::none && trick.archive.find(".wh.") != std::string::npos)
                continue;
            EXPECT_THAT(unpack_error(trick.archive, fmt::format("r{}", ++number), options),
                        HasSubstr(trick.error));
        }
    EXPECT_EQ(describe("outside", true), before);
}

TEST_F(UnpackTest, LinksAreReplacedNotWrittenThrough) {
    make_folder("outside");
    write("outside/f", "untouched");
    Archive archive;
    archive.symlink("l", at("outside/f")).file("l", "own");
    archive.symlink("m", at("outside/f")).hard_link("n", "m").file("n", "own");
    archive.symlink("o", at("outside")).dir("o").file("o/f", "own");
    archive.hard_link("p", at("outside/f"));  // an absolute name is one of the archive
    UnpackResult result = unpack_text(archive.bytes(), "r");
    EXPECT_EQ(read("outside/f"), "untouched");
    EXPECT_EQ(status("outside/f").st_nlink, 1U);
    EXPECT_EQ(read("r/l"), "own");
    EXPECT_EQ(read("r/n"), "own");
    EXPECT_EQ(read("r/o/f"), "own");
    EXPECT_THAT(result.links_below, ElementsAre(Pair("p", at("outside/f").substr(1))));
}

TEST_F(UnpackTest, AbsoluteNamesAreRelative) {
    unpack_text(Archive().file("/abs/f", "x").file("//./abs//g", "y").hard_link("h", "/abs/f").bytes(), "r");
    EXPECT_EQ(read("r/abs/f"), "x");
    EXPECT_EQ(read("r/abs/g"), "y");
    EXPECT_EQ(status("r/h").st_nlink, 2U);
}

TEST_F(UnpackTest, EntriesBehindASymlinkGoWhereItLeads) {
    Archive archive;
    archive.symlink("lib", "usr/lib").file("lib/x", "one").dir("usr").dir("usr/lib", 0711).file("lib/y");
    archive.dir("a").symlink("a/up", "../usr/./lib/").symlink("abs", "/a/up").file("abs/deep/z", "three");
    archive.hard_link("lib/h", "abs/x").file("lib/.wh.gone").dir("lib/own").file("abs/own/.wh..wh..opq");
    archive.symlink("later", "not/there").hard_link("later/h", "elsewhere");
    UnpackResult result = unpack_text(archive.bytes(), "r");
    EXPECT_TRUE(S_ISLNK(status("r/lib").st_mode));
    EXPECT_EQ(status("r/usr/lib").st_mode & 07777, 0711U);
    EXPECT_EQ(status("r/usr/lib").st_mtim.tv_sec, 1'500'000'000);
    EXPECT_EQ(read("r/usr/lib/x"), "one");
    EXPECT_TRUE(is_there("r/usr/lib/y"));
    EXPECT_EQ(read("r/usr/lib/deep/z"), "three");
    EXPECT_EQ(status("r/usr/lib/h").st_ino, status("r/usr/lib/x").st_ino);
    EXPECT_TRUE(is_whiteout_at("r/usr/lib/gone"));
    EXPECT_TRUE(is_opaque_at("r/usr/lib/own"));
    EXPECT_THAT(result.implied_directories, ElementsAre(".", "not", "not/there", "usr/lib/deep"));
    EXPECT_THAT(result.links_below, ElementsAre(Pair("not/there/h", "elsewhere")));
}

TEST_F(UnpackTest, SymlinksLeadNowhereOutside) {
    make_folder("outside");
    write("outside/f", "untouched");
    std::string outside = at("outside"), inside = outside.substr(1);
    Tree before = describe("outside", true);
    int number = 0;
    for (const UnpackOptions& options : {UnpackOptions{}, kApply, kNone})
        for (const std::string& target : {outside, "../outside"s, "../../../../../.." + outside, "m"s}) {
            Archive archive;
            archive.symlink("l", target)
                .symlink("m", outside)
                .file("l/f", "x")
                .dir("l/d")
                .hard_link("h", "l/f");
            if (options.whiteouts != WhiteoutFormat::none) archive.file("l/.wh.g").file("l/.wh..wh..opq");
            std::string root = fmt::format("r{}", ++number);
            unpack_text(archive.bytes(), root, options);
            std::string real = root + "/" + (target == "../outside" ? "outside" : inside);
            EXPECT_EQ(read(real + "/f"), "x");
            EXPECT_EQ(read(root + "/h"), "x");
        }
    EXPECT_EQ(describe("outside", true), before);
}

TEST_F(UnpackTest, FollowsSymlinksThatWereThere) {
    make_folder("r");
    make_folder("r/usr");
    make_folder("r/usr/bin");
    ::symlink("usr/bin", at("r/bin").c_str());
    unpack_text(Archive().file("bin/x", "found").hard_link("usr/y", "bin/x").bytes(), "r", kNone);
    EXPECT_EQ(read("r/usr/bin/x"), "found");
    EXPECT_EQ(read("r/usr/y"), "found");
}

TEST_F(UnpackTest, OverlaysOwnAttributesAreNotTaken) {
    TarHeader folder = Archive::header("d", TarType::directory, 0755);
    folder.xattrs = {{"trusted.overlay.redirect", "/etc"}, {"trusted.overlay.opaque", "y"},
                     {"user.overlay.opaque", "y"},         {"trusted.mine", "kept"},
                     {"system.posix_acl_default", "x"},    {"security.selinux", "label"}};
    unpack_text(Archive().add(folder).bytes(), "r");
    EXPECT_THAT(describe("r")["d"], testing::EndsWith(".0 trusted.mine=\"kept\""));
}

TEST_F(UnpackTest, Limits) {
    EXPECT_THAT(unpack_error(Archive().file("a", "12345").file("b", "12345").bytes(), "r", {.max_bytes = 9}),
                HasSubstr("more than 9 bytes"));
    EXPECT_FALSE(is_there("r/b"));
    EXPECT_THAT(unpack_error(Archive().dir("a").dir("b").bytes(), "r", {.max_entries = 1}),
                HasSubstr("more than 1 entries"));
    std::string deep;
    for (int i = 0; i < 1100; ++i) deep += "d/";
    EXPECT_THAT(unpack_error(Archive().file(deep + "f").bytes(), "r"),
                HasSubstr("more than 1024 folders deep"));
    EXPECT_THAT(unpack_error(Archive().file(std::string(256, 'n')).bytes(), "r"),
                HasSubstr("longer than 255"));
    Archive links;
    for (int i = 0; i < 5000; ++i)
        links.hard_link(fmt::format("l{}", i), std::string(4000, 't').insert(200, "/"));
    EXPECT_THAT(unpack_error(links.bytes(), "r"),
                testing::AnyOf(HasSubstr("longer than 255"), HasSubstr("too many")));
}

TEST_F(UnpackTest, TheResultIsBounded) {
    Archive archive;
    std::string target = std::string(250, 'a');
    for (int i = 0; i < 14; ++i) target += "/" + std::string(250, 'a');
    for (int i = 0; i < 6000; ++i) archive.hard_link(fmt::format("l{}", i), target);
    EXPECT_THAT(unpack_error(archive.bytes(), "r"), HasSubstr("too many folders without an entry"));
}

TEST_F(UnpackTest, ProgressMayStopIt) {
    std::vector<uint64_t> seen;
    UnpackOptions options;
    options.progress = [&](uint64_t bytes) { seen.push_back(bytes); };
    std::string bytes = Archive().file("f", std::string(3'000'000, 'x')).bytes();
    unpack_text(bytes, "r", options);
    EXPECT_EQ(seen.back(), 3'000'000U);
    EXPECT_GT(seen.size(), 1U);
    options.progress = [](uint64_t) { throw Error(ErrorKind::unavailable, "stopped"); };
    sys::TextSource source(bytes);
    EXPECT_THROW(unpack(source, folder("r2").get(), options), Error);
}

TEST_F(UnpackTest, ErrorsNameTheEntry) {
    EXPECT_EQ(unpack_error(Archive().file("a/../b").bytes(), "r"),
              "unpacking \"a/../b\": the path leads out of the archive by \"..\"");
    EXPECT_EQ(unpack_error(Archive().file("f").file("f/x").bytes(), "r"),
              "unpacking \"f/x\": \"f\" in its path is not a folder");
}

TEST_F(UnpackTest, SettlesImpliedFoldersFromBelow) {
    TarHeader usr = Archive::header("usr", TarType::directory, 0711);
    usr.uid = 5;
    usr.xattrs = {{"user.a", "b"}};
    usr.mtime = {77, 0};
    unpack_text(Archive().dir(".", 0700).add(usr).dir("usr/lib", 0750).bytes(), "low");
    UnpackResult result = unpack_text(Archive().file("usr/lib/f").file("other/f").bytes(), "high");
    settle(result, folder("high").get(), {folder("low").get()});
    Tree low = describe("low", true), high = describe("high", true);
    EXPECT_EQ(high["usr"], low["usr"]);
    EXPECT_EQ(high["usr/lib"], low["usr/lib"]);
    EXPECT_EQ(high[""], low[""]);
    EXPECT_THAT(high["other"], HasSubstr("40755 0:0"));
}

TEST_F(UnpackTest, SettlesLinksFromBelow) {
    TarHeader target = Archive::header("t", TarType::file, 04711);
    target.uid = 3;
    unpack_text(
        Archive().add(target, "content").symlink("s", "x").file("hidden").dir("d").file("d/f").bytes(),
        "low");
    unpack_text(Archive().file(".wh.hidden").dir("d").file("d/.wh..wh..opq").bytes(), "mid");
    std::vector<UniqueFd> fds;
    fds.push_back(folder("mid"));
    fds.push_back(folder("low"));
    std::vector<int> lowers{fds[0].get(), fds[1].get()};

    Archive archive;
    archive.dir("x").hard_link("x/a", "t").hard_link("x/b", "/t").hard_link("c", "x/a").hard_link("l", "s");
    archive.hard_link("later", "t").file("later", "own").hard_link("forward", "own").file("own", "mine");
    UnpackResult result = unpack_text(archive.bytes(), "high");
    settle(result, folder("high").get(), lowers);
    Tree tree = describe("high");
    EXPECT_THAT(tree["x/a"], HasSubstr("104711 3:0 1500000000.0 7 "));
    EXPECT_THAT(tree["x/b"], testing::EndsWith("= c"));
    EXPECT_THAT(tree["x/a"], testing::EndsWith("= c"));
    EXPECT_THAT(tree["l"], HasSubstr("-> x"));
    EXPECT_EQ(read("high/later"), "own");
    EXPECT_EQ(read("high/forward"), "mine");
    EXPECT_EQ(status("high/x").st_mtim.tv_sec, 1'500'000'000);

    for (const char* hidden : {"hidden", "d/f", "none", "s/f"}) {
        UnpackResult bad =
            unpack_text(Archive().hard_link("l", hidden).bytes(), fmt::format("bad{}", hidden[0]));
        try {
            settle(bad, folder(fmt::format("bad{}", hidden[0])).get(), lowers);
            ADD_FAILURE() << hidden;
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
            EXPECT_THAT(error.what(), HasSubstr("is in no layer"));
        }
    }
}

}  // namespace
}  // namespace berth::store
