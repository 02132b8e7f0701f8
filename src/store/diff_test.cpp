// SPDX-License-Identifier: Apache-2.0
#include "store/diff.h"

#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "store/layer_fixture.h"
#include "sys/tar_reader.h"

namespace berth::store {

void PrintTo(const Change& change, std::ostream* out) {
    constexpr const char* kLetters[] = {"C", "A", "D"};
    *out << kLetters[static_cast<int>(change.kind)] << " " << change.path;
}

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Change modified(std::string path) {
    return {std::move(path), ChangeKind::modified};
}
Change added(std::string path) {
    return {std::move(path), ChangeKind::added};
}
Change deleted(std::string path) {
    return {std::move(path), ChangeKind::deleted};
}

class DiffTest : public LayerTest {
  protected:
    void TearDown() override {
        if (is_mounted_) ::umount2(at("merged").c_str(), MNT_DETACH);
        LayerTest::TearDown();
    }
    /// An overlay of the layers `low`, `mid` below `up`, on `merged`.
    void mount() {
        for (const char* name : {"low", "mid", "up", "work", "merged"}) make_folder(name);
        std::string options =
            fmt::format("lowerdir={}:{},upperdir={},workdir={},redirect_dir=off,metacopy=off", at("mid"),
                        at("low"), at("up"), at("work"));
        if (::mount("overlay", at("merged").c_str(), "overlay", 0, options.c_str()) != 0)
            GTEST_SKIP() << "no overlayfs here";
        is_mounted_ = true;
    }
    std::vector<Change> changes_of_upper() {
        UniqueFd up = folder("up"), mid = folder("mid"), low = folder("low");
        return changes(up.get(), {mid.get(), low.get()});
    }
    std::string layer_tar(const std::string& name, const LayerTarOptions& options = {}) {
        sys::TextSink sink;
        write_layer_tar(folder(name).get(), sink, options);
        return sink.text;
    }
    static std::vector<std::string> names(std::string_view archive) {
        sys::TextSource source(archive);
        sys::TarReader reader(source);
        std::vector<std::string> result;
        while (const sys::TarHeader* header = reader.next()) {
            result.push_back(header->path);
            if (header->type == sys::TarType::hard_link) result.back() += " = " + header->link_target;
        }
        return result;
    }
    void merged(const std::string& command) {
        ASSERT_EQ(::system(fmt::format("cd '{}' && {}", at("merged"), command).c_str()), 0) << command;
    }
    bool is_mounted_ = false;
};

TEST_F(DiffTest, ChangesAreWhatDockerShows) {
    unpack_text(Archive()
                    .dir("a")
                    .file("a/f", "1")
                    .file("a/g")
                    .file("a/same")
                    .dir("d")
                    .file("d/x")
                    .file("d/y")
                    .dir("e")
                    .dir("e/sub")
                    .file("top")
                    .file("mode")
                    .dir("quiet")
                    .file("quiet/f")
                    .bytes(),
                "low");
    unpack_text(Archive().file(".wh.top").file("mid", "m").bytes(), "mid");
    mount();
    merged(
        "echo 2 > a/f && rm a/g && chmod 600 a/same && chmod 644 a/same && rm -r d && mkdir d && echo > "
        "d/new && "
        "echo > d/y && rm -r e && echo > e && echo > top && chmod 600 mode && rm mid && mkdir -p new/deep && "
        "echo > new/deep/f && echo > a-b && touch -r quiet/f quiet/f");
    EXPECT_THAT(changes_of_upper(),
                ElementsAre(modified("/a"), added("/a-b"), modified("/a/f"), deleted("/a/g"), modified("/d"),
                            added("/d/new"), deleted("/d/x"), modified("/d/y"), modified("/e"),
                            deleted("/mid"), modified("/mode"), added("/new"), added("/new/deep"),
                            added("/new/deep/f"), added("/top")));
}

TEST_F(DiffTest, NothingChanged) {
    unpack_text(Archive().dir("a").file("a/f").bytes(), "low");
    mount();
    merged("ls -lR > /dev/null");
    EXPECT_THAT(changes_of_upper(), testing::IsEmpty());
    EXPECT_EQ(layer_tar("up"), std::string(1024, '\0'));
}

TEST_F(DiffTest, AnUpperFolderComesBackAsItWas) {
    unpack_text(Archive()
                    .dir("a")
                    .file("a/f", "1")
                    .file("a/g")
                    .dir("d")
                    .file("d/x")
                    .dir("usr")
                    .dir("usr/bin")
                    .symlink("s", "a")
                    .bytes(),
                "low");
    mount();
    merged(
        "echo 2 > a/f && rm a/g && rm -r d && mkdir -m 2750 d && echo > d/new && ln d/new hard && ln d/new "
        "a/hard && "
        "ln -s nowhere link && chown -h 5:6 link && mkfifo -m 600 pipe && mknod dev c 1 3 && rm s && "
        "install -m 4755 -o 3 -g 4 /dev/null suid && truncate -s 100000 zeros && "
        "find . -exec touch -h -d '2020-01-02 03:04:05 UTC' {} +");
    ASSERT_EQ(::setxattr(at("merged/suid").c_str(), "user.name", "value", 5, 0), 0);
    ASSERT_EQ(::setxattr(at("merged/d").c_str(), "trusted.mine", "t", 1, 0), 0);
    ::umount2(at("merged").c_str(), 0);
    is_mounted_ = false;

    std::string tar = layer_tar("up");
    UnpackResult result = unpack_text(tar, "back");
    EXPECT_THAT(result.links_below, testing::IsEmpty());
    EXPECT_THAT(result.implied_directories, ElementsAre("."));
    Tree up = describe("up"), back = describe("back");
    // Overlay's notes about where a copy comes from, and the whiteouts' times and owners of one inode, are
    // its own.
    auto plain = [&](Tree& tree) {
        for (auto& [name, line] : tree)
            for (std::string_view mark :
                 {" trusted.overlay.origin", " trusted.overlay.impure", " trusted.overlay.uuid"})
                if (size_t begin = line.find(mark); begin != std::string::npos) {
                    size_t end = line.find("\" ", begin);
                    line.erase(begin, end == std::string::npos ? std::string::npos : end + 1 - begin);
                }
        for (auto& [name, line] : tree)
            if (line.find(" 0:0") != std::string::npos && line.starts_with("20")) line = "whiteout";
    };
    plain(up);
    plain(back);
    EXPECT_EQ(back, up);
    EXPECT_EQ(layer_tar("back"), tar);
}

TEST_F(DiffTest, LayersLookLikeDockers) {
    make_folder("up");
    make_folder("up/d");
    make_folder("up/d/sub");
    write("up/d/f", "x");
    write("up/d-1", "x");
    ASSERT_EQ(::mknod(at("up/d/gone").c_str(), S_IFCHR, 0), 0);
    ASSERT_EQ(::setxattr(at("up/d/sub").c_str(), "trusted.overlay.opaque", "y", 1, 0), 0);
    ::link(at("up/d/f").c_str(), at("up/z").c_str());
    int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::snprintf(address.sun_path, sizeof address.sun_path, "%s", at("up/socket").c_str());
    EXPECT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::close(socket);
    EXPECT_THAT(names(layer_tar("up")),
                ElementsAre("d", "d/f", "d/.wh.gone", "d/sub", "d/sub/.wh..wh..opq", "d-1", "z = d/f"));
}

TEST_F(DiffTest, TimesAreWholeSecondsAndMayBeClamped) {
    make_folder("up");
    write("up/f", "");
    timespec times[2] = {{5, 0}, {2'000'000'000, 999}};
    ::utimensat(AT_FDCWD, at("up/f").c_str(), times, 0);
    auto mtime = [&](const LayerTarOptions& options) {
        std::string tar = layer_tar("up", options);
        EXPECT_EQ(tar.size(), 1536U);  // no PAX header
        sys::TextSource source(tar);
        sys::TarReader reader(source);
        return reader.next()->mtime.seconds;
    };
    EXPECT_EQ(mtime({}), 2'000'000'000);
    EXPECT_EQ(mtime({.clamp_mtime = 1'000}), 1'000);
}

TEST_F(DiffTest, RefusesWhatALayerCannotSay) {
    auto failure = [&](const std::string& name) {
        try {
            layer_tar(name);
        } catch (const Error& error) {
            return std::string(error.what());
        }
        return std::string("accepted");
    };
    make_folder("up");
    make_folder("up/d");
    write("up/d/.wh.f", "");
    EXPECT_THAT(failure("up"), testing::StartsWith("\"d/.wh.f\": a layer can't hold this name"));
    make_folder("up2");
    write("up2/f", "");
    ::setxattr(at("up2/f").c_str(), "trusted.overlay.metacopy", "", 0, 0);
    EXPECT_THAT(failure("up2"), HasSubstr("its contents are in another layer"));
    make_folder("up3");
    make_folder("up3/d");
    ::setxattr(at("up3/d").c_str(), "trusted.overlay.redirect", "/x", 2, 0);
    EXPECT_THAT(failure("up3"), HasSubstr("its contents are in another layer"));
}

TEST_F(DiffTest, ExportsAWholeTree) {
    unpack_text(Archive().dir("a").file("a/f", "1").dir("m").file("gone").bytes(), "low");
    mount();
    merged("rm gone && echo 2 > a/new && ln a/new b");
    make_folder("merged/m");
    ASSERT_EQ(::mount("tmpfs", at("merged/m").c_str(), "tmpfs", 0, nullptr), 0);
    write("merged/m/inside", "");
    sys::TextSink sink;
    uint64_t bytes = write_tree_tar(folder("merged").get(), sink);
    ::umount2(at("merged/m").c_str(), MNT_DETACH);
    EXPECT_THAT(names(sink.text), ElementsAre("a", "a/f", "a/new", "b = a/new", "m"));
    EXPECT_EQ(bytes, 3U);
}

}  // namespace
}  // namespace berth::store
