// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <vector>

#include "sys/tar_fixture.h"
#include "sys/tar_writer.h"
#include "tests/fuzz/property.h"

using namespace berth;
using namespace berth::sys;
using fuzz::require;

namespace {

struct Entry {
    TarHeader header;
    std::string data;
};

std::vector<Entry> read_all(ByteSource& source) {
    TarReader reader(source);
    std::vector<Entry> entries;
    while (const TarHeader* header = reader.next()) {
        Entry entry{*header, {}};
        while (true) {
            std::span<const std::byte> data = reader.read_view(1000);
            if (data.empty()) break;
            entry.data.append(reinterpret_cast<const char*>(data.data()), data.size());
        }
        uint64_t areas = 0;
        for (const TarHeader::Segment& segment : header->sparse) areas += segment.length;
        require(entry.data.size() == (header->is_sparse ? areas : header->size),
                "an entry has the data it tells of");
        entries.push_back(std::move(entry));
    }
    return entries;
}

bool same(const TarHeader& a, const TarHeader& b) {
    return a.path == b.path && a.type == b.type && a.link_target == b.link_target && a.mode == b.mode &&
           a.uid == b.uid && a.gid == b.gid && a.uname == b.uname && a.gname == b.gname && a.size == b.size &&
           a.mtime == b.mtime && a.atime == b.atime && a.ctime == b.ctime && a.dev_major == b.dev_major &&
           a.dev_minor == b.dev_minor && a.xattrs == b.xattrs;
}

bool same(const std::vector<Entry>& a, const std::vector<Entry>& b) {
    return std::ranges::equal(a, b, [](const Entry& left, const Entry& right) {
        return same(left.header, right.header) && left.data == right.data;
    });
}

/// What is read can be written, and reads back the same. Names are told in one way only there.
void check_round(const std::vector<Entry>& entries) {
    std::vector<Entry> written;
    TextSink sink;
    TarWriter writer(sink);
    bool fits = fuzz::succeeds([&] {
        for (const Entry& entry : entries) {
            const TarHeader& header = entry.header;
            if (header.is_sparse || header.path.empty() || header.path.ends_with('/')) continue;
            writer.add(header);
            writer.write(bytes_of(entry.data));
            written.push_back(entry);
        }
    });
    if (!fits) return;
    writer.finish();
    TextSource source(sink.text);
    require(same(read_all(source), written), "what is written is read back the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string bytes(fuzz::as_text(data, size));
    // The fuzzer doesn't guess checksums: every whole block but the zero ones gets the right one.
    for (size_t at = 0; at + tar::kBlock <= bytes.size(); at += tar::kBlock) {
        char* block = bytes.data() + at;
        if (std::string_view(block + tar::kMagic.offset, 5) != "ustar") continue;
        tar::RawTar::put(block, tar::kChecksum, fmt::format("{:06o}", tar::checksum(block)));
    }
    std::vector<Entry> whole, slow;
    TextSource source(bytes);
    bool is_valid = fuzz::is_valid([&] { whole = read_all(source); });
    tar::SlowSource pieces(bytes, size % 700 + 1);
    require(fuzz::is_valid([&] { slow = read_all(pieces); }) == is_valid, "pieces change nothing");
    if (!is_valid) return 0;
    require(same(whole, slow), "pieces change no entry");
    check_round(whole);
    return 0;
}
