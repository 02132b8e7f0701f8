// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "sys/tar_format.h"
#include "sys/tar_reader.h"

namespace berth::sys::tar {

/// Builds archives block by block, also those that no writer makes.
class RawTar {
  public:
    using Change = std::function<void(char* block)>;

    /// An entry with its data and padding. `change` edits the header before its checksum is made.
    RawTar& entry(std::string_view name, char type, std::string_view data = "", const Change& change = {}) {
        std::array<char, kBlock> block{};
        put(block.data(), kName, name);
        put(block.data(), kMode, "0000644");
        put(block.data(), kUid, "0000000");
        put(block.data(), kGid, "0000000");
        put(block.data(), kSize, fmt::format("{:011o}", data.size()));
        put(block.data(), kMtime, "00000000000");
        block[kType.offset] = type;
        std::memcpy(block.data() + kMagic.offset, "ustar\00000", 8);
        if (change) change(block.data());
        return header(block.data()).data(data);
    }
    /// One block with a right checksum.
    RawTar& header(char* block) {
        put(block, kChecksum, fmt::format("{:06o}", checksum(block)));
        block[kChecksum.offset + 7] = ' ';
        bytes_.append(block, kBlock);
        return *this;
    }
    RawTar& data(std::string_view data) {
        bytes_ += data;
        bytes_.append(-data.size() % kBlock, '\0');
        return *this;
    }
    RawTar& pax(const std::map<std::string, std::string>& records, char type = 'x') {
        return entry("PaxHeaders/x", type, print_pax(records));
    }
    RawTar& end() {
        bytes_.append(2 * kBlock, '\0');
        return *this;
    }

    static void put(char* block, Field where, std::string_view text) {
        std::memset(block + where.offset, 0, where.size);
        std::memcpy(block + where.offset, text.data(), std::min(text.size(), where.size));
    }
    static void put_gnu_magic(char* block) {
        std::memcpy(block + kMagic.offset, kMagicGnu.data(), kMagicGnu.size());
    }

    const std::string& bytes() const { return bytes_; }

  private:
    std::string bytes_;
};

/// Gives `chunk` bytes at a time.
class SlowSource : public ByteSource {
  public:
    SlowSource(std::string_view text, size_t chunk) : text_(text), chunk_(chunk) {}
    size_t read(std::span<std::byte> into) override {
        return text_.read(into.first(std::min(into.size(), chunk_)));
    }

  private:
    TextSource text_;
    size_t chunk_;
};

}  // namespace berth::sys::tar
