// SPDX-License-Identifier: Apache-2.0
#include "store/pipeline.h"

#include <atomic>
#include <numeric>

#include "store/layer_fixture.h"

namespace berth::store {
namespace {

/// `parts` reads of `size` bytes, then the end or an Error.
class Counter : public sys::ByteSource {
  public:
    Counter(size_t parts, size_t size, bool fails = false) : parts_(parts), size_(size), fails_(fails) {}
    size_t read(std::span<std::byte> into) override {
        if (done == parts_) {
            if (fails_) throw Error(ErrorKind::unavailable, "the network is gone");
            return 0;
        }
        size_t count = std::min(into.size(), size_);
        std::ranges::fill(into.first(count), static_cast<std::byte>(done % 251));
        ++done;
        return count;
    }
    std::atomic<size_t> done = 0;

  private:
    size_t parts_, size_;
    bool fails_;
};

TEST(ReadAhead, GivesTheSameBytes) {
    for (size_t room : {1U, 7U, 64U, 1000U}) {
        Counter inner(300, 50);
        ReadAhead ahead(inner, 3, 64);
        std::vector<std::byte> buffer(room);
        size_t total = 0;
        while (size_t got = ahead.read(buffer)) {
            for (size_t i = 0; i < got; ++i)
                ASSERT_EQ(std::to_integer<size_t>(buffer[i]), (total + i) / 50 % 251);
            total += got;
        }
        EXPECT_EQ(total, 15'000U);
        EXPECT_EQ(ahead.read(buffer), 0U);
    }
}

TEST(ReadAhead, FailsWhereItsSourceFails) {
    Counter inner(5, 10, true);
    ReadAhead ahead(inner, 2, 64);
    std::vector<std::byte> buffer(100);
    size_t total = 0;
    try {
        while (true) total += ahead.read(buffer);
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "the network is gone");
    }
    EXPECT_EQ(total, 50U);
    EXPECT_THROW(ahead.read(buffer), Error);
}

TEST(ReadAhead, HoldsNoMoreThanItsBuffers) {
    Counter inner(1000, 64);
    {
        ReadAhead ahead(inner, 4, 64);
        std::byte byte{};
        ahead.read({&byte, 1});
    }
    // Four buffers; the first is still being read.
    EXPECT_LE(inner.done, 4U);
}

TEST(ReadAhead, StopsInTheMiddle) {
    for (int i = 0; i < 50; ++i) {
        Counter inner(1000, 64);
        ReadAhead ahead(inner, 2, 64);
        std::byte byte[100];
        for (int k = 0; k < i; ++k) ahead.read(byte);
    }
}

class UnpackCompressedTest : public LayerTest {};

TEST_F(UnpackCompressedTest, TellsWhatItRead) {
    // What follows the archive's end is a part of the layer's digest too.
    std::string tar =
        Archive().dir("d").file("d/f", std::string(2'000'000, 'x')).bytes() + std::string(10'240, '\0');
    for (Compression compression : {Compression::none, Compression::gzip, Compression::zstd}) {
        sys::TextSink packed;
        std::unique_ptr<Compressor> compressor = make_compressor(packed, compression);
        compressor->write(sys::bytes_of(tar));
        compressor->finish();
        sys::TextSource source(packed.text);
        HashingSource hashed(source);
        std::string name = fmt::format("r-{}", to_string(compression));
        UnpackedLayer layer = unpack_compressed(hashed, compression, folder(name).get(), {});
        EXPECT_EQ(layer.diff_id, Digest::of(tar));
        EXPECT_EQ(layer.tar_size, tar.size());
        EXPECT_EQ(layer.result.bytes, 2'000'000U);
        EXPECT_EQ(hashed.digest(), Digest::of(packed.text));
        EXPECT_EQ(status(name + "/d/f").st_size, 2'000'000);
    }
}

TEST_F(UnpackCompressedTest, FailsForACutOffLayer) {
    sys::TextSink packed;
    std::unique_ptr<Compressor> compressor = make_compressor(packed, Compression::gzip);
    std::string tar = Archive().file("f", std::string(2'000'000, 'x')).bytes();
    compressor->write(sys::bytes_of(tar));
    compressor->finish();
    sys::TextSource source(std::string_view(packed.text).substr(0, packed.text.size() - 9));
    try {
        unpack_compressed(source, Compression::gzip, folder("r").get(), {});
        ADD_FAILURE();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        EXPECT_THAT(error.what(), testing::HasSubstr("cut off"));
    }
}

}  // namespace
}  // namespace berth::store
