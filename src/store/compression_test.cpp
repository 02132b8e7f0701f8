// SPDX-License-Identifier: Apache-2.0
#include "store/compression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "store/gzip_source.h"
#include "sys/tar_fixture.h"

namespace berth::store {
namespace {

using sys::bytes_of;
using sys::TextSink;
using sys::tar::SlowSource;
using testing::HasSubstr;

/// Text that compresses, with runs that don't.
std::string sample(size_t size) {
    std::mt19937 random(7);
    std::string text;
    while (text.size() < size) {
        if (random() % 3 == 0)
            for (int i = 0; i < 100; ++i) text += static_cast<char>(random());
        else
            text += fmt::format("line {} of the sample\n", random() % 1000);
    }
    text.resize(size);
    return text;
}

std::string compress(std::string_view data, Compression compression, int level = -1) {
    TextSink sink;
    std::unique_ptr<Compressor> compressor = make_compressor(sink, compression, level);
    compressor->write(bytes_of(data.substr(0, data.size() / 2)));
    compressor->write(bytes_of(data.substr(data.size() / 2)));
    compressor->finish();
    return sink.text;
}

std::string drain(sys::ByteSource& source, size_t room = 100'000) {
    std::string result;
    std::vector<std::byte> buffer(room);
    while (size_t got = source.read(buffer)) result.append(reinterpret_cast<const char*>(buffer.data()), got);
    EXPECT_EQ(source.read(buffer), 0U);
    return result;
}

using MakeInflater = std::unique_ptr<Inflater> (*)();

/// Both implementations behind the same framing, and zstd.
class Decompressor : public testing::TestWithParam<const char*> {
  protected:
    void SetUp() override {
        if (std::string_view(GetParam()) == "isal" && !make_isal_inflater())
            GTEST_SKIP() << "ISA-L is not installed";
    }
    Compression compression() const {
        return std::string_view(GetParam()) == "zstd" ? Compression::zstd : Compression::gzip;
    }
    std::unique_ptr<sys::ByteSource> open(sys::ByteSource& from) const {
        if (compression() == Compression::zstd) return make_decompressor(from, Compression::zstd);
        bool isal = std::string_view(GetParam()) == "isal";
        return std::make_unique<GzipSource>(from, isal ? make_isal_inflater() : make_zlib_inflater());
    }
    std::string decompress(std::string_view data, size_t chunk = 1 << 20, size_t room = 100'000) const {
        SlowSource source(data, chunk);
        return drain(*open(source), room);
    }
    std::string failure(std::string_view data, size_t chunk = 1 << 20) const {
        try {
            decompress(data, chunk);
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
            return error.what();
        }
        return "accepted";
    }
};

INSTANTIATE_TEST_SUITE_P(All, Decompressor, testing::Values("isal", "zlib", "zstd"));

TEST_P(Decompressor, GivesBackWhatWasCompressed) {
    for (size_t size : {0U, 1U, 1000U, 3'000'000U}) {
        std::string data = sample(size), packed = compress(data, compression());
        EXPECT_EQ(decompress(packed), data);
        if (size == 1000) {
            for (size_t chunk : {1U, 2U, 7U, 8U, 9U}) EXPECT_EQ(decompress(packed, chunk, 3), data) << chunk;
        }
        if (size == 3'000'000) {
            for (size_t room : {1000U, 65'536U, 4'000'000U})
                EXPECT_EQ(decompress(packed, 10'000, room), data);
        }
    }
}

TEST_P(Decompressor, SeveralStreamsAreOne) {
    std::string a = sample(10'000), b = sample(50),
                packed =
                    compress(a, compression()) + compress("", compression()) + compress(b, compression(), 1);
    for (size_t chunk : {1U, 5U, 8U, 1000U, 1'000'000U}) EXPECT_EQ(decompress(packed, chunk), a + b) << chunk;
}

TEST_P(Decompressor, NoticesEveryTruncation) {
    std::string packed = compress(sample(300), compression());
    for (size_t size = 0; size < packed.size(); ++size) {
        EXPECT_THAT(failure(packed.substr(0, size)), HasSubstr("cut off")) << size;
        EXPECT_THAT(failure(packed.substr(0, size), 1), HasSubstr("cut off")) << size;
    }
}

TEST_P(Decompressor, NoticesEveryFlippedByte) {
    std::string data = sample(300), packed = compress(data, compression());
    for (size_t i = 0; i < packed.size(); ++i) {
        std::string bad = packed;
        bad[i] = static_cast<char>(bad[i] ^ 0x15);
        // gzip's time, extra flags and system mean nothing; zstd's window may be larger than it need be.
        bool means_nothing = compression() == Compression::gzip ? i >= 4 && i < 10 : i == 5;
        if (means_nothing)
            EXPECT_EQ(decompress(bad), data);
        else
            EXPECT_NE(failure(bad), "accepted") << i;
    }
}

TEST_P(Decompressor, RefusesGarbageBehind) {
    std::string packed = compress("data", compression());
    EXPECT_NE(failure(packed + "garbage"), "accepted");
    EXPECT_NE(failure(packed + std::string(512, '\0')), "accepted");
}

TEST_P(Decompressor, BombsTakeNoMemory) {
    std::string packed = compress(std::string(50'000'000, '\0'), compression());
    EXPECT_LT(packed.size(), 100'000U);
    sys::TextSource source(packed);
    std::unique_ptr<sys::ByteSource> opened = open(source);
    LimitedSource limited(*opened, 10'000'000, "layer x");
    try {
        drain(limited);
        ADD_FAILURE();
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "layer x is larger than 10000000 bytes");
    }
}

TEST_P(Decompressor, PassesErrorsOfItsSourceOn) {
    class Failing : public sys::ByteSource {
        size_t read(std::span<std::byte>) override { throw Error(ErrorKind::unavailable, "stalled"); }
    } failing;
    std::unique_ptr<sys::ByteSource> source = open(failing);
    std::byte byte{};
    EXPECT_THROW(source->read({&byte, 1}), Error);
}

class Gzip : public Decompressor {};
INSTANTIATE_TEST_SUITE_P(All, Gzip, testing::Values("isal", "zlib"));

TEST_P(Gzip, TakesEveryHeader) {
    std::string packed = compress("data", Compression::gzip), body = packed.substr(10);
    auto header = [](char flags) {
        return std::string("\x1f\x8b\x08", 3) + flags + std::string("\1\2\3\4\2\3", 6);
    };
    std::string extra("\x04\0abcd", 6), name("file\0", 5), comment("words\0", 6), crc("\x12\x34", 2);
    EXPECT_EQ(decompress(header(0) + body), "data");
    EXPECT_EQ(decompress(header(1) + body), "data");
    EXPECT_EQ(decompress(header(4) + extra + body), "data");
    EXPECT_EQ(decompress(header(8) + name + body), "data");
    EXPECT_EQ(decompress(header(16) + comment + body), "data");
    EXPECT_EQ(decompress(header(30) + extra + name + comment + crc + body, 1), "data");
    EXPECT_THAT(failure(header(32) + body), HasSubstr("unknown flags"));
    EXPECT_THAT(failure("\x1f\x8b\x07" + packed.substr(3)), HasSubstr("unknown method"));
    EXPECT_THAT(failure("plain text"), HasSubstr("not a gzip stream"));
}

TEST(Zstd, SkipsFramesThatAreToBeSkipped) {
    std::string skipped("\x50\x2a\x4d\x18\x03\0\0\0abc", 11), packed = compress("data", Compression::zstd);
    std::string all = skipped + packed + skipped;
    sys::TextSource source(all);
    EXPECT_EQ(drain(*make_decompressor(source, Compression::zstd)), "data");
    EXPECT_EQ(detect_compression(bytes_of(all)), Compression::zstd);
}

TEST(Zstd, RefusesWindowsOfMoreThan128MiB) {
    // A frame header with a window of 1 GiB (RFC 8878, section 3.1.1.1.2).
    std::string huge("\x28\xb5\x2f\xfd\x00\xa0", 6);
    huge += std::string("\x01\0\0", 3);
    sys::TextSource source(huge);
    EXPECT_THROW(drain(*make_decompressor(source, Compression::zstd)), Error);
}

TEST(Compress, SameInputSameBytes) {
    std::string data = sample(100'000);
    for (Compression compression : {Compression::gzip, Compression::zstd, Compression::none}) {
        std::string packed = compress(data, compression);
        EXPECT_EQ(packed, compress(data, compression));
        EXPECT_EQ(detect_compression(bytes_of(packed)), compression);
    }
    // Neither a name nor a time; the system is unknown.
    EXPECT_EQ(compress(data, Compression::gzip).substr(0, 10),
              std::string("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10));
}

TEST(Compress, RefusesUnknownLevels) {
    TextSink sink;
    EXPECT_THROW(make_compressor(sink, Compression::gzip, 77), Error);
}

TEST(CompressionOf, KnowsMediaTypes) {
    EXPECT_EQ(compression_of("application/vnd.oci.image.layer.v1.tar+gzip"), Compression::gzip);
    EXPECT_EQ(compression_of("application/vnd.docker.image.rootfs.diff.tar.gzip"), Compression::gzip);
    EXPECT_EQ(compression_of("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), Compression::gzip);
    EXPECT_EQ(compression_of("application/vnd.oci.image.layer.v1.tar+zstd"), Compression::zstd);
    EXPECT_EQ(compression_of("application/vnd.oci.image.layer.v1.tar"), Compression::none);
    EXPECT_EQ(compression_of("application/vnd.docker.image.rootfs.diff.tar"), Compression::none);
    EXPECT_EQ(compression_of("application/vnd.oci.image.config.v1+json"), std::nullopt);
}

TEST(DetectCompression, ShortDataNeedsNone) {
    for (std::string_view head : {"", "\x1f", "\x1f\x8b", "\x28\xb5\x2f"})
        EXPECT_EQ(detect_compression(bytes_of(head)), Compression::none);
}

TEST(Hashing, CountsAndHashesWhatPasses) {
    sys::TextSource text("hello");
    HashingSource source(text);
    EXPECT_EQ(drain(source, 2), "hello");
    EXPECT_EQ(source.count(), 5U);
    EXPECT_EQ(source.digest(), Digest::of("hello"));
    TextSink gathered;
    HashingSink sink(gathered);
    sink.write(bytes_of("hel"));
    sink.write(bytes_of("lo"));
    EXPECT_EQ(gathered.text, "hello");
    EXPECT_EQ(sink.count(), 5U);
    EXPECT_EQ(sink.digest(), Digest::of("hello"));
}

TEST(LimitedSource, AllowsExactlyTheLimit) {
    sys::TextSource text("12345");
    LimitedSource source(text, 5, "it");
    EXPECT_EQ(drain(source), "12345");
}

}  // namespace
}  // namespace berth::store
