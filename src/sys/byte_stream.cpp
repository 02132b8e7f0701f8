// SPDX-License-Identifier: Apache-2.0
#include "sys/byte_stream.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "sys/file.h"

namespace berth::sys {

size_t FdSource::read(std::span<std::byte> into) {
    ssize_t got = retry([&] { return ::read(fd_, into.data(), into.size()); });
    return static_cast<size_t>(check(got, [&] { return "read " + name_; }));
}

void FdSink::write(std::span<const std::byte> data) {
    write_all(fd_, {reinterpret_cast<const char*>(data.data()), data.size()}, name_);
}

size_t TextSource::read(std::span<std::byte> into) {
    size_t count = std::min(into.size(), rest_.size());
    if (count > 0) std::memcpy(into.data(), rest_.data(), count);
    rest_.remove_prefix(count);
    return count;
}

uint64_t copy(ByteSource& from, ByteSink& to) {
    constexpr size_t kBuffer = 256 * 1024;
    auto buffer = std::make_unique_for_overwrite<std::byte[]>(kBuffer);
    uint64_t total = 0;
    while (size_t got = from.read({buffer.get(), kBuffer})) {
        to.write({buffer.get(), got});
        total += got;
    }
    return total;
}

}  // namespace berth::sys
