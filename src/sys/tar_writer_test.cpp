// SPDX-License-Identifier: Apache-2.0
#include "sys/tar_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "sys/tar_format.h"

namespace berth::sys {
namespace {

using namespace tar;

TarHeader file(std::string path) {
    TarHeader header;
    header.path = std::move(path);
    header.mode = 0644;
    header.mtime.seconds = 1'700'000'000;
    return header;
}

std::string archive(const TarHeader& header, std::string_view content = "") {
    TextSink sink;
    TarWriter writer(sink);
    writer.add_file(header, content);
    writer.finish();
    return sink.text;
}

/// The header as it is read back.
TarHeader round(const TarHeader& header) {
    std::string bytes = archive(header);
    TextSource source(bytes);
    TarReader reader(source);
    const TarHeader* read = reader.next();
    if (read == nullptr) throw Error(ErrorKind::internal, "nothing was written");
    TarHeader copy = *read;
    EXPECT_EQ(reader.next(), nullptr);
    return copy;
}

TEST(TarWriter, PlainEntriesAreUstar) {
    TarHeader header = file("dir/file");
    header.uid = 1000;
    header.gid = 100;
    std::string bytes = archive(header, "hello");
    ASSERT_EQ(bytes.size(), 4 * kBlock);
    std::string_view block(bytes);
    // As Go's archive/tar has it, byte for byte.
    EXPECT_EQ(block.substr(0, 9), std::string_view("dir/file\0", 9));
    EXPECT_EQ(block.substr(100, 57), std::string_view("0000644\0"
                                                      "0001750\0"
                                                      "0000144\0"
                                                      "00000000005\0"
                                                      "14524770400\0"
                                                      "010710\0 "
                                                      "0",
                                                      57));
    EXPECT_EQ(block.substr(257, 8), std::string_view("ustar\00000", 8));
    EXPECT_EQ(block.substr(329, 16), std::string_view("0000000\0"
                                                      "0000000\0",
                                                      16));
    EXPECT_EQ(block.substr(512, 6), std::string_view("hello\0", 6));
}

TEST(TarWriter, LongPathsUseThePrefixWhileTheyFit) {
    std::string folder(120, 'd'), name(90, 'n');
    EXPECT_EQ(archive(file(folder + "/" + name)).size(), 3 * kBlock);
    EXPECT_EQ(round(file(folder + "/" + name)).path, folder + "/" + name);
    // Needs a record: too long, not ASCII, or with other records.
    EXPECT_EQ(archive(file(std::string(101, 'n'))).size(), 5 * kBlock);
    EXPECT_EQ(archive(file("ä")).size(), 5 * kBlock);
    TarHeader header = file(folder + "/" + name);
    header.xattrs["user.a"] = "b";
    EXPECT_EQ(round(header).path, header.path);
}

TEST(TarWriter, EverythingComesBack) {
    TarHeader header = file(std::string(400, 'a') + "/ö");
    header.type = TarType::directory;
    header.mode = 02775;
    header.uid = 3'000'000'000;
    header.gid = 2'097'152;
    header.mtime = {-5, 250'000'000};
    header.atime = TarTime{1, 0};
    header.xattrs = {{"user.x", std::string("\0\n=\xff", 4)}, {"security.capability", "c"}};
    TarHeader back = round(header);
    EXPECT_EQ(back.path, header.path);
    EXPECT_EQ(back.type, TarType::directory);
    EXPECT_EQ(back.mode, 02775U);
    EXPECT_EQ(back.uid, header.uid);
    EXPECT_EQ(back.gid, header.gid);
    EXPECT_EQ(back.mtime, header.mtime);
    EXPECT_EQ(back.atime, header.atime);
    EXPECT_EQ(back.xattrs, header.xattrs);

    TarHeader link = file("link");
    link.type = TarType::symlink;
    link.link_target = std::string(1000, 't');
    EXPECT_EQ(round(link).link_target, link.link_target);
    TarHeader device = file("null");
    device.type = TarType::char_device;
    device.dev_major = 1;
    device.dev_minor = 0xfffff;
    EXPECT_EQ(round(device).dev_minor, 0xfffffU);
}

TEST(TarWriter, RecordLengthsCountTheirOwnDigits) {
    for (size_t size = 80; size < 120; ++size) {
        TarHeader header = file("f");
        header.xattrs["user.a"] = std::string(size, 'v');
        EXPECT_EQ(round(header).xattrs, header.xattrs) << size;
    }
    EXPECT_EQ(print_pax({{"a", std::string(93, 'v')}}).substr(0, 4), "99 a");
    EXPECT_EQ(print_pax({{"a", std::string(94, 'v')}}).substr(0, 5), "101 a");
}

TEST(TarWriter, SameCallsSameBytes) {
    TarHeader header = file("x");
    header.xattrs = {{"user.b", "1"}, {"user.a", "2"}};
    header.mtime.nanoseconds = 5;
    EXPECT_EQ(archive(header, "data"), archive(header, "data"));
}

TEST(TarWriter, HoldsCallersToTheirSizes) {
    TextSink sink;
    TarWriter writer(sink);
    TarHeader header = file("f");
    header.size = 3;
    writer.add(header);
    EXPECT_THROW(writer.write(bytes_of("1234")), Error);
    writer.write(bytes_of("12"));
    EXPECT_THROW(writer.add(file("g")), Error);
    EXPECT_THROW(writer.finish(), Error);
    writer.write(bytes_of("3"));
    writer.finish();
    EXPECT_THROW(writer.finish(), Error);
    EXPECT_THROW(writer.add(file("g")), Error);
}

TEST(TarWriter, RefusesAttributesThatNoRecordCanName) {
    TarHeader header = file("f");
    header.xattrs["user.a=b"] = "c";
    EXPECT_THROW(archive(header), Error);
}

}  // namespace
}  // namespace berth::sys
