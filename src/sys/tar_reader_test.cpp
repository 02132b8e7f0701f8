// SPDX-License-Identifier: Apache-2.0
#include "sys/tar_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "sys/tar_fixture.h"

namespace berth::sys {
namespace {

using namespace tar;
using testing::ElementsAre;
using testing::HasSubstr;

struct Entry {
    TarHeader header;
    std::string data;
};

std::vector<Entry> read_all(ByteSource& source) {
    TarReader reader(source);
    std::vector<Entry> entries;
    while (const TarHeader* header = reader.next()) {
        Entry entry{*header, {}};
        std::byte buffer[700];
        while (size_t got = reader.read(buffer))
            entry.data.append(reinterpret_cast<const char*>(buffer), got);
        entries.push_back(std::move(entry));
    }
    reader.drain();
    return entries;
}

std::vector<Entry> read_all(std::string_view bytes) {
    TextSource source(bytes);
    return read_all(source);
}

std::vector<std::string> paths(const std::vector<Entry>& entries) {
    std::vector<std::string> result;
    for (const Entry& entry : entries) result.push_back(entry.header.path);
    return result;
}

std::string failure(std::string_view bytes) {
    try {
        read_all(bytes);
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument) << error.what();
        return error.what();
    }
    return "accepted";
}

std::string segments(const TarHeader& header) {
    std::string text;
    for (const TarHeader::Segment& segment : header.sparse)
        text += fmt::format("{}+{} ", segment.offset, segment.length);
    return text;
}

TEST(TarReader, ReadsUstarFields) {
    RawTar tar;
    tar.entry("b", '0', "hello", [](char* block) {
        RawTar::put(block, kPrefix, "a");
        RawTar::put(block, kMode, " 104755 ");  // blanks and the type's bits, as old writers had them
        RawTar::put(block, kUid, "0001750");
        RawTar::put(block, kGid, "144");
        RawTar::put(block, kMtime, "13500000000");
        RawTar::put(block, kUname, "someone");
        RawTar::put(block, kGname, "some");
    });
    tar.entry("dev", '3', "", [](char* block) {
        RawTar::put(block, kDevMajor, "0000001");
        RawTar::put(block, kDevMinor, "0000005");
    });
    std::vector<Entry> entries = read_all(tar.end().bytes());
    ASSERT_EQ(entries.size(), 2U);
    const TarHeader& file = entries[0].header;
    EXPECT_EQ(file.path, "a/b");
    EXPECT_EQ(file.mode, 04755U);
    EXPECT_EQ(file.uid, 1000U);
    EXPECT_EQ(file.gid, 100U);
    EXPECT_EQ(file.mtime, (TarTime{013500000000, 0}));
    EXPECT_EQ(file.uname, "someone");
    EXPECT_EQ(file.gname, "some");
    EXPECT_EQ(entries[0].data, "hello");
    EXPECT_EQ(entries[1].header.type, TarType::char_device);
    EXPECT_EQ(entries[1].header.dev_major, 1U);
    EXPECT_EQ(entries[1].header.dev_minor, 5U);
}

TEST(TarReader, ReadsV7) {
    auto v7 = [](char* block) { std::memset(block + kMagic.offset, 0, kBlock - kMagic.offset); };
    RawTar tar;
    tar.entry("dir/", 0, "", v7).entry("dir/file", 0, "x", v7);
    std::vector<Entry> entries = read_all(tar.end().bytes());
    EXPECT_THAT(paths(entries), ElementsAre("dir", "dir/file"));
    EXPECT_EQ(entries[0].header.type, TarType::directory);
    EXPECT_EQ(entries[1].header.type, TarType::file);
}

TEST(TarReader, ReadsGnuLongNamesAndNumbers) {
    std::string name = std::string(300, 'n'), target(200, 't');
    RawTar tar;
    tar.entry("././@LongLink", 'L', name + '\0').entry("././@LongLink", 'K', target + '\0');
    tar.entry(name.substr(0, 100), '2', "", [](char* block) {
        RawTar::put_gnu_magic(block);
        RawTar::put(block, kUid, std::string_view("\x80\0\0\0\x00\x20\x00\x00", 8));  // 2097152
        RawTar::put(block, kMtime,
                    std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", 12));  // -2
    });
    tar.entry("short", '0');
    std::vector<Entry> entries = read_all(tar.end().bytes());
    EXPECT_THAT(paths(entries), ElementsAre(name, "short"));
    EXPECT_EQ(entries[0].header.link_target, target);
    EXPECT_EQ(entries[0].header.uid, 2097152U);
    EXPECT_EQ(entries[0].header.mtime.seconds, -2);
    EXPECT_EQ(entries[1].header.link_target, "");
}

TEST(TarReader, TakesAPrefixInAnArchiveMarkedAsGnus) {
    RawTar tar;
    tar.entry("name", '0', "", [](char* block) {
        RawTar::put_gnu_magic(block);
        RawTar::put(block, kPrefix, "some/folder/with/a/long/name/that/is/no/number");
    });
    EXPECT_THAT(paths(read_all(tar.end().bytes())),
                ElementsAre("some/folder/with/a/long/name/that/is/no/number/name"));
}

TEST(TarReader, PaxRecordsOverrideHeaders) {
    RawTar tar;
    tar.pax({{"mtime", "5.5"}, {"uname", "all"}}, 'g');
    std::string value("\x01\0\n=", 4);
    tar.pax({{"path", "long/näme"},
             {"linkpath", "t"},
             {"uid", "3000000000"},
             {"mtime", "-1.25"},
             {"atime", "7.123456789999"},
             {"size", "3"},
             {"uname", ""},
             {"SCHILY.xattr.security.capability", value}});
    tar.entry("short", '0', "abc", [](char* block) { RawTar::put(block, kUname, "own"); });
    tar.entry("next", '0');
    std::vector<Entry> entries = read_all(tar.end().bytes());
    const TarHeader& header = entries.at(0).header;
    EXPECT_EQ(header.path, "long/näme");
    EXPECT_EQ(header.uid, 3000000000U);
    EXPECT_EQ(header.mtime, (TarTime{-2, 750'000'000}));
    EXPECT_EQ(header.atime, (TarTime{7, 123'456'789}));
    EXPECT_EQ(header.uname, "own");
    EXPECT_EQ(header.xattrs, (std::map<std::string, std::string>{{"security.capability", value}}));
    EXPECT_EQ(entries[0].data, "abc");
    EXPECT_EQ(entries.at(1).header.path, "next");
    EXPECT_EQ(entries[1].header.mtime, (TarTime{5, 500'000'000}));
    EXPECT_EQ(entries[1].header.uname, "all");
    EXPECT_TRUE(entries[1].header.xattrs.empty());
}

RawTar sparse_gnu() {
    RawTar tar;
    tar.entry("f", 'S', "", [](char* block) {
        RawTar::put_gnu_magic(block);
        RawTar::put(block, kSize, "00000000006");
        RawTar::put(block, {kGnuSparse, 12}, "00000000012");
        RawTar::put(block, {kGnuSparse + 12, 12}, "00000000002");
        block[kGnuIsExtended] = 1;
        RawTar::put(block, kGnuRealSize, "00000001000");
    });
    std::array<char, kBlock> more{};
    RawTar::put(more.data(), {0, 12}, "00000000100");
    RawTar::put(more.data(), {12, 12}, "00000000004");
    RawTar::put(more.data(), {24, 12}, "00000001000");
    RawTar::put(more.data(), {36, 12}, "00000000000");
    tar.data({more.data(), more.size()}).data("abcdef");
    return tar;
}

TEST(TarReader, ReadsAllSparseFormats) {
    RawTar tar = sparse_gnu();
    tar.pax({{"GNU.sparse.map", "10,2,64,4"}, {"GNU.sparse.size", "512"}, {"GNU.sparse.name", "f"}});
    tar.entry("GNUSparseFile.0/f", '0', "abcdef");
    // Version 0.0 repeats keys.
    std::string records =
        print_pax({{"GNU.sparse.size", "512"}}) + print_pax({{"GNU.sparse.numblocks", "2"}});
    for (auto [offset, bytes] : {std::pair("10", "2"), std::pair("64", "4")})
        records += print_pax({{"GNU.sparse.offset", offset}}) + print_pax({{"GNU.sparse.numbytes", bytes}});
    tar.entry("x", 'x', records).entry("f", '0', "abcdef");
    tar.pax({{"GNU.sparse.major", "1"},
             {"GNU.sparse.minor", "0"},
             {"GNU.sparse.realsize", "512"},
             {"GNU.sparse.name", "f"}});
    std::string map = "2\n10\n2\n64\n4\n";
    map.append(kBlock - map.size(), '\0');
    tar.entry("x", '0', map + "abcdef");
    std::vector<Entry> entries = read_all(tar.end().bytes());
    EXPECT_THAT(paths(entries), ElementsAre("f", "f", "f", "f"));
    for (const Entry& entry : entries) {
        EXPECT_TRUE(entry.header.is_sparse);
        EXPECT_EQ(entry.header.size, 512U);
        EXPECT_EQ(segments(entry.header), "10+2 64+4 ");
        EXPECT_EQ(entry.data, "abcdef");
    }
}

TEST(TarReader, RefusesBadSparseMaps) {
    auto with_map = [](std::string map, std::string_view data) {
        RawTar tar;
        tar.pax({{"GNU.sparse.map", std::move(map)}, {"GNU.sparse.size", "100"}});
        return failure(tar.entry("f", '0', data).end().bytes());
    };
    EXPECT_THAT(with_map("0,2,1,2", "abcd"), HasSubstr("overlap"));
    EXPECT_THAT(with_map("50,2,10,2", "abcd"), HasSubstr("overlap"));
    EXPECT_THAT(with_map("99,2", "ab"), HasSubstr("overlap or lie behind its end"));
    EXPECT_THAT(with_map("18446744073709551615,2", "ab"), HasSubstr("overlap"));
    EXPECT_THAT(with_map("0,2", "abcd"), HasSubstr("not that of its data"));
    EXPECT_THAT(with_map("0,4", "ab"), HasSubstr("not that of its data"));
    EXPECT_THAT(with_map("0", "ab"), HasSubstr("malformed map"));
    EXPECT_THAT(with_map("0,-2", "ab"), HasSubstr("malformed map"));
    RawTar bomb;
    bomb.pax({{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.realsize", "1"}});
    bomb.entry("f", '0', "4000000000\n" + std::string(3'000'000, '\n'));
    EXPECT_THAT(failure(bomb.end().bytes()), HasSubstr("larger than 1 MiB"));
    RawTar endless;
    endless.entry("f", 'S', "", [](char* block) { block[kGnuIsExtended] = 1; });
    std::array<char, kBlock> more{};
    more[kGnuExtensionIsExtended] = 1;
    for (int i = 0; i < 2100; ++i) endless.data({more.data(), more.size()});
    EXPECT_THAT(failure(endless.end().bytes()), HasSubstr("larger than 1 MiB"));
}

TEST(TarReader, DoesNotCareHowTheBytesCome) {
    RawTar tar = sparse_gnu();
    tar.pax({{"path", "p"}}).entry("x", '0', std::string(5000, 'q')).entry("y", '5').end();
    for (size_t chunk : {1U, 511U, 512U, 513U, 4096U}) {
        SlowSource source(tar.bytes(), chunk);
        std::vector<Entry> entries = read_all(source);
        EXPECT_THAT(paths(entries), ElementsAre("f", "p", "y")) << chunk;
        EXPECT_EQ(entries[1].data, std::string(5000, 'q'));
    }
}

TEST(TarReader, NoticesEveryTruncation) {
    RawTar tar;
    tar.entry("a", '0', "12345").pax({{"path", "bb"}}).entry("b", '0', std::string(600, 'x')).end();
    const std::string& bytes = tar.bytes();
    // Behind a whole entry an archive may end, and within its end mark.
    std::set<size_t> ends{0, 1024, 1024 + 1024 + 512 + 1024, bytes.size() - 512, bytes.size()};
    for (size_t size = 0; size <= bytes.size(); ++size)
        EXPECT_EQ(failure(bytes.substr(0, size)) == "accepted", ends.contains(size)) << size;
}

TEST(TarReader, SkipsWhatSaysNothingAboutFiles) {
    RawTar tar;
    tar.entry("volume", 'V').entry("acl", 'A', "data").entry("f", '0', "x").entry("d/", 'D', "Yf\0");
    std::vector<Entry> entries = read_all(tar.end().bytes());
    EXPECT_THAT(paths(entries), ElementsAre("f", "d"));
    EXPECT_EQ(entries[1].header.type, TarType::directory);
}

TEST(TarReader, IgnoresWhatFollowsTheEnd) {
    RawTar tar;
    tar.entry("f", '0').end().data("garbage");
    EXPECT_THAT(paths(read_all(tar.bytes())), ElementsAre("f"));
}

struct Bad {
    const char* what;
    std::function<void(RawTar&)> build;
};

TEST(TarReader, RefusesMalformedHeaders) {
    auto field_is = [](Field where, std::string text, char type = '0') {
        return [=](RawTar& tar) {
            tar.entry("f", type, "", [&](char* block) { RawTar::put(block, where, text); });
        };
    };
    auto record_is = [](std::string data) {
        return [=](RawTar& tar) { tar.entry("x", 'x', data).entry("f", '0'); };
    };
    std::string minus_one(12, '\xff');
    const Bad bads[] = {
        {"size -1 is out of range", field_is(kSize, minus_one)},
        {"malformed size", field_is(kSize, "9")},
        {"malformed size",
         field_is(kSize, std::string("\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12))},
        {"malformed mode", field_is(kMode, "rw-r--r-")},
        {"uid -1 is out of range", field_is(kUid, minus_one)},
        {"uid 4294967295 is out of range", field_is(kUid, std::string("\x80\0\0\0\xff\xff\xff\xff", 8))},
        {"device number", field_is(kDevMajor, "0010000", '3')},
        {"device number", field_is(kDevMinor, "4000000", '4')},
        {"unknown type", field_is(kType, "8")},
        {"unknown type", field_is(kType, "\xff")},
        {"several volumes", field_is(kType, "M")},
        {"extended header without a length", record_is("path=x\n")},
        {"wrong length", record_is("99 path=x\n")},
        {"wrong length", record_is("3 x\n")},
        {"wrong length", record_is("-9 path=x\n")},
        {"newline", record_is("9 path=x ")},
        {"without a key", record_is("6 =ab\n")},
        {"without a key", record_is("7 path\n")},
        {"NUL in a name", record_is(std::string("10 path=x\0\n", 11).replace(0, 2, "11"))},
        {"size \"-1\" is out of range", record_is("11 size=-1\n")},
        {"uid \"4294967295\" is out of range", record_is("18 uid=4294967295\n")},
        {"malformed mtime", record_is("13 mtime=1.x\n")},
        {"larger than 1 MiB", [](RawTar& tar) { tar.entry("x", 'x', std::string(kMaxHeader + 1, 'x')); }},
        {"larger than 1 MiB", [](RawTar& tar) { tar.entry("x", 'L', std::string(kMaxHeader + 1, 'x')); }},
        {"one name", [](RawTar& tar) { tar.pax({{"path", "all"}}, 'g').entry("f", '0'); }},
        {"name ends with a slash", [](RawTar& tar) { tar.entry("f/", '0', "data"); }},
        {"a zero block in the middle", [](RawTar& tar) { tar.data(std::string(512, '\0')).entry("f", '0'); }},
        {"ends in the middle", [](RawTar& tar) { tar.pax({{"path", "p"}}); }},
        {"checksum", [](RawTar& tar) { tar.data(std::string(512, 'x')); }},
    };
    for (const Bad& bad : bads) {
        RawTar tar;
        bad.build(tar);
        EXPECT_THAT(failure(tar.end().bytes()), HasSubstr(bad.what));
    }
}

TEST(TarReader, LimitsWhatGlobalHeadersAddUpTo) {
    RawTar tar;
    for (int i = 0; i < 3; ++i) tar.pax({{fmt::format("comment{}", i), std::string(500'000, 'x')}}, 'g');
    EXPECT_THAT(failure(tar.entry("f", '0').end().bytes()), HasSubstr("global headers"));
}

TEST(TarReader, NamesTheEntryInErrors) {
    RawTar tar;
    tar.entry("first", '0')
        .entry("second\n", '0', "x", [](char* block) { RawTar::put(block, kMtime, "x"); })
        .end();
    EXPECT_EQ(failure(tar.bytes()), "tar entry 2 (\"second\\n\"): malformed mtime");
}

}  // namespace
}  // namespace berth::sys
