// SPDX-License-Identifier: Apache-2.0
#include "engine/logs/reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "sys/file.h"
#include "tests/fuzz/property.h"

using namespace berth;
using fuzz::require;

namespace {

struct Folder {
    Folder() { require(::mkdtemp(name) != nullptr, "there is a folder for the log"); }
    ~Folder() { sys::remove_tree_at(AT_FDCWD, name); }
    char name[32] = "/tmp/berth-fuzz-XXXXXX";
};

/// Everything that the reader gives, whose frames must be whole.
std::string read(const engine::LogLocation& location, const engine::LogReadOptions& options, size_t target) {
    engine::LogReader reader(location, options);
    engine::LogBatch batch(target);
    std::string all;
    while (reader.read(batch)) all += batch.view();
    for (size_t at = 0; options.framed && at < all.size();) {
        require(all.size() - at >= 8 && (all[at] == 1 || all[at] == 2), "a frame begins with its head");
        size_t length = 0;
        for (size_t i = 4; i < 8; ++i) length = length * 256 + static_cast<unsigned char>(all[at + i]);
        at += 8 + length;
        require(at <= all.size(), "a frame is whole");
    }
    return all;
}

}  // namespace

/// Two bytes of options, then what is in the log's file.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const Folder folder;
    fuzz::Bytes bytes(data, size);
    uint8_t what = bytes.byte();
    uint8_t tail = bytes.byte();
    engine::LogLocation location;
    location.path = std::string(folder.name) + "/log";
    location.format = (what & 1) != 0 ? shim::LogFormat::local : shim::LogFormat::json_file;
    {
        UniqueFd file = sys::open_file(location.path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        std::string_view content(reinterpret_cast<const char*>(data), size);
        sys::write_all(file.get(), content.substr(std::min<size_t>(size, 2)), "log");
    }
    engine::LogReadOptions options;
    options.timestamps = (what & 2) != 0;
    options.details = (what & 4) != 0;
    options.out = (what & 8) == 0;
    std::string all = read(location, options, engine::LogBatch::kDefaultTarget);
    require(read(location, options, 1) == all, "the batches' size changes nothing");
    options.tail = tail;
    require(all.ends_with(read(location, options, 100)), "the tail is the end");
    options.tail.reset();
    options.since_ns = 1'709'294'400'000'000'000;
    options.until_ns = options.since_ns + (int64_t{tail} << 32);
    read(location, options, 100);
    return 0;
}
