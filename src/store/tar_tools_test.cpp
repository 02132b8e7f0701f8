// SPDX-License-Identifier: Apache-2.0
// Archives of other tools, and ours read by them.
#include <sys/xattr.h>

#include <cstdlib>

#include "store/compression.h"
#include "store/diff.h"
#include "store/layer_fixture.h"

namespace berth::store {
namespace {

const UnpackOptions kNone{.whiteouts = WhiteoutFormat::none};

class TarToolsTest : public LayerTest {
  protected:
    static bool shell(const std::string& command) { return std::system(command.c_str()) == 0; }
    bool here(const std::string& command) const {
        return shell(fmt::format("cd '{}' && {}", path_, command));
    }

    /// A tree with what formats differ in.
    void make_tree() {
        std::string deep = std::string(90, 'd') + "/" + std::string(90, 'e') + "/" + std::string(90, 'f');
        make_folder("tree");
        ASSERT_TRUE(
            here(fmt::format("cd tree && mkdir -p {0} && echo deep > {0}/{1} && echo x > short && ln short "
                             "hard && ln -s {2} long-link && "
                             "ln {0}/{1} {0}/again && mkfifo fifo && mknod dev b 7 3 && install -m 6711 -o "
                             "1234 -g 5678 /dev/null ids && "
                             "chown 3000000:4000000 fifo && echo u > \"$(printf 'n\\303\\244me \\n x')\" && "
                             "mkdir -m 1777 sticky",
                             deep, std::string(120, 'n'), std::string(150, 't'))));
        ASSERT_TRUE(here(
            "truncate -s 3000000 tree/sparse && printf head | dd of=tree/sparse conv=notrunc status=none && "
            "printf tail | dd of=tree/sparse bs=1 seek=2000000 conv=notrunc status=none && "
            "truncate -s 70000 tree/hole && "
            "find tree -exec touch -h -d '2021-02-03 04:05:06 UTC' {} +"));
    }
};

class GnuTar : public TarToolsTest, public testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(Formats, GnuTar,
                         testing::Values("--format=gnu", "--format=posix", "--format=gnu --sparse",
                                         "--format=posix --sparse",
                                         "--format=posix --sparse --sparse-version=0.0",
                                         "--format=posix --sparse --sparse-version=0.1", "--format=oldgnu",
                                         "--format=posix --xattrs --xattrs-include='*'"));

TEST_P(GnuTar, IsRead) {
    if (!shell("tar --version | grep -q GNU")) GTEST_SKIP() << "no GNU tar";
    make_tree();
    bool with_xattrs = std::string_view(GetParam()).find("xattrs") != std::string_view::npos;
    if (with_xattrs) {
        ASSERT_EQ(::setxattr(at("tree/short").c_str(), "user.name", "a\0b\n", 4, 0), 0);
        ASSERT_EQ(::setxattr(at("tree/sticky").c_str(), "trusted.mine", "t", 1, 0), 0);
    }
    ASSERT_TRUE(here(fmt::format("tar --numeric-owner {} -cf a.tar -C tree .", GetParam())));
    std::string archive = sys::read_file(at("a.tar"));
    UnpackResult result = unpack_text(archive, "back", kNone);
    EXPECT_EQ(describe("back", true), describe("tree", true));
    EXPECT_TRUE(result.links_below.empty());
    if (std::string_view(GetParam()).find("sparse") != std::string_view::npos) {
        EXPECT_LT(status("back/sparse").st_blocks * 512, 200'000);
        EXPECT_EQ(status("back/hole").st_blocks, 0);
    }
}

TEST_F(TarToolsTest, OldFormatsOfGnuTarAreRead) {
    if (!shell("tar --version | grep -q GNU")) GTEST_SKIP() << "no GNU tar";
    make_folder("tree");
    ASSERT_TRUE(
        here("cd tree && mkdir -p a/b && echo x > a/b/f && ln a/b/f a/g && ln -s b a/l && "
             "find . -exec touch -h -d '2021-02-03 04:05:06 UTC' {} +"));
    for (const char* format : {"v7", "ustar"}) {
        ASSERT_TRUE(here(fmt::format("tar --numeric-owner --format={} -cf a.tar -C tree .", format)));
        unpack_text(sys::read_file(at("a.tar")), format, kNone);
        EXPECT_EQ(describe(format, true), describe("tree", true)) << format;
    }
}

TEST_F(TarToolsTest, PythonsArchivesAreRead) {
    if (!shell("python3 -c 'import tarfile'")) GTEST_SKIP() << "no Python";
    make_tree();
    for (const char* format : {"GNU_FORMAT", "PAX_FORMAT"}) {
        ASSERT_TRUE(
            here(fmt::format("python3 -c 'import tarfile; t=tarfile.open(\"a.tar\",\"w\",format=tarfile.{}); "
                             "t.add(\"tree\", \".\"); t.close()'",
                             format)));
        unpack_text(sys::read_file(at("a.tar")), format, kNone);
        EXPECT_EQ(describe(format, true), describe("tree", true)) << format;
    }
}

TEST_F(TarToolsTest, OursAreReadByOthers) {
    make_tree();
    ASSERT_EQ(::setxattr(at("tree/short").c_str(), "user.name", "value", 5, 0), 0);
    sys::TextSink sink;
    write_layer_tar(folder("tree").get(), sink);
    write("a.tar", sink.text);
    unpack_text(sink.text, "ours", kNone);
    EXPECT_EQ(describe("ours"), describe("tree"));
    if (shell("tar --version | grep -q GNU")) {
        make_folder("gnu");
        ASSERT_TRUE(here("tar --numeric-owner --xattrs --xattrs-include='*' -xpf a.tar -C gnu"));
        EXPECT_EQ(describe("gnu"), describe("tree"));
    }
    if (shell("python3 -c 'import tarfile'")) {
        EXPECT_TRUE(
            here("python3 -c 'import tarfile; t=tarfile.open(\"a.tar\"); assert len(t.getmembers()) > 10; "
                 "t.extractall(\"py\", numeric_owner=True)'"));
        Tree python = describe("py"), tree = describe("tree");
        // tarfile takes no attributes, and no times of symlinks.
        python.erase("long-link");
        tree.erase("long-link");
        for (auto& [name, line] : tree)
            if (size_t xattr = line.find(" user.name"); xattr != std::string::npos)
                line.erase(xattr, std::string_view(" user.name=\"value\"").size());
        for (const auto& [name, line] : tree) EXPECT_EQ(python[name], line) << name;
        EXPECT_EQ(python.size(), tree.size());
    }
}

TEST_F(TarToolsTest, CompressorsOfOthersAreRead) {
    std::string data;
    for (int i = 0; i < 200'000; ++i) data += fmt::format("line {}\n", i * 7919 % 10'007);
    write("data", data);
    struct Tool {
        const char* command;
        Compression compression;
    };
    const Tool tools[] = {{"gzip -9", Compression::gzip},
                          {"igzip -c", Compression::gzip},
                          {"pigz -c -b 128", Compression::gzip},
                          {"zstd -c -19", Compression::zstd},
                          {"zstd -c -T2 --long", Compression::zstd}};
    for (const Tool& tool : tools) {
        std::string program(
            std::string_view(tool.command).substr(0, std::string_view(tool.command).find(' ')));
        if (!shell(fmt::format("command -v {} > /dev/null", program))) continue;
        ASSERT_TRUE(here(fmt::format("{} < data > packed", tool.command)));
        std::string packed = sys::read_file(at("packed"));
        EXPECT_EQ(detect_compression(sys::bytes_of(packed)), tool.compression);
        sys::TextSource source(packed);
        sys::TextSink sink;
        sys::copy(*make_decompressor(source, tool.compression), sink);
        EXPECT_TRUE(sink.text == data) << tool.command;
    }
}

}  // namespace
}  // namespace berth::store
