// SPDX-License-Identifier: Apache-2.0
#include "sys/byte_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "sys/file.h"

namespace berth::sys {
namespace {

TEST(ByteStream, TextEndsForGood) {
    TextSource source("abcde");
    std::array<std::byte, 3> buffer{};
    EXPECT_EQ(source.read(buffer), 3u);
    EXPECT_EQ(source.read(buffer), 2u);
    EXPECT_EQ(buffer[1], std::byte{'e'});
    EXPECT_EQ(source.read(buffer), 0u);
    EXPECT_EQ(source.read(buffer), 0u);
    EXPECT_EQ(TextSource("").read(buffer), 0u);
}

TEST(ByteStream, CopiesThroughAPipe) {
    std::string text(1'000'000, 'x');
    for (size_t i = 0; i < text.size(); i += 1001) text[i] = static_cast<char>('a' + i % 26);
    int ends[2];
    check(::pipe2(ends, O_CLOEXEC), "pipe2");
    UniqueFd read_end(ends[0]), write_end(ends[1]);
    std::jthread writer([&] {
        TextSource source(text);
        FdSink sink(write_end.get(), "pipe");
        copy(source, sink);
        write_end.reset();
    });
    FdSource source(read_end.get(), "pipe");
    TextSink sink;
    EXPECT_EQ(copy(source, sink), text.size());
    EXPECT_EQ(sink.text, text);
}

TEST(ByteStream, ReadsFromThePresentOffset) {
    UniqueFd file = memory_file("test", "0123456789");
    ::lseek(file.get(), 4, SEEK_SET);
    FdSource source(file.get(), "test");
    TextSink sink;
    EXPECT_EQ(copy(source, sink), 6u);
    EXPECT_EQ(sink.text, "456789");
}

TEST(ByteStream, ErrorsNameTheFile) {
    UniqueFd read_only = open_file("/dev/null", O_RDONLY);
    try {
        FdSink(read_only.get(), "layer 3").write(bytes_of("x"));
        FAIL();
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "write layer 3: bad file descriptor");
    }
    UniqueFd folder = open_file("/", O_RDONLY | O_DIRECTORY);
    std::array<std::byte, 3> buffer{};
    try {
        FdSource(folder.get(), "blob").read(buffer);
        FAIL();
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "read blob: is a directory");
    }
}

}  // namespace
}  // namespace berth::sys
