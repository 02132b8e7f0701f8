// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "store/diff.h"
#include "store/unpack.h"
#include "sys/file.h"
#include "sys/tar_writer.h"
#include "tests/fuzz/property.h"

using namespace berth;
using namespace berth::store;
using fuzz::require;

namespace {

/// Names are taken from these alone, so that they meet one another, and so that a bug writes nowhere but near
/// the root.
constexpr std::string_view kNames[] = {
    "a",       "b",    "c",      "..",           ".", "",  ".wh.a", ".wh.b", ".wh..wh..opq",
    "outside", ".wh.", ".wh...", ".wh..wh.plnk", "a", "b", "d"};

/// <root>/box is unpacked into; beside it is <root>/outside, which nothing may touch.
class Place {
  public:
    Place() {
        char pattern[] = "/dev/shm/berth-fuzz-XXXXXX";
        require(::mkdtemp(pattern) != nullptr, "a temporary folder can be made");
        path_ = pattern;
        std::atexit([] { sys::remove_tree_at(AT_FDCWD, place().path_); });
    }
    static Place& place() {
        static Place the_place;
        return the_place;
    }
    UniqueFd fresh_box() {
        sys::remove_tree_at(AT_FDCWD, path_ + "/box");
        sys::make_dirs(path_ + "/outside/a");
        sys::write_file_atomic_at(outside().get(), "f", "untouched", 0640);
        ::mkdir((path_ + "/box").c_str(), 0755);
        ::fchmodat(AT_FDCWD, (path_ + "/outside").c_str(), 0750, 0);
        return sys::open_file(path_ + "/box", O_RDONLY | O_DIRECTORY);
    }
    void check_outside() const {
        struct stat folder{};
        ::stat((path_ + "/outside").c_str(), &folder);
        struct stat file{};
        ::stat((path_ + "/outside/f").c_str(), &file);
        require(folder.st_mode == (S_IFDIR | 0750) && file.st_mode == (S_IFREG | 0640) &&
                    file.st_nlink == 1 && sys::read_file(path_ + "/outside/f") == "untouched",
                "nothing outside is changed");
        require(sys::list_dir(outside().get()).size() == 2 &&
                    sys::list_dir(sys::open_file(path_ + "/outside/a", O_RDONLY).get()).empty() &&
                    sys::list_dir(sys::open_file(path_, O_RDONLY).get()).size() == 2,
                "nothing outside is made");
    }
    const std::string& path() const { return path_; }

  private:
    UniqueFd outside() const { return sys::open_file(path_ + "/outside", O_RDONLY | O_DIRECTORY); }
    std::string path_;
};

std::string path_of(fuzz::Bytes& bytes) {
    std::string path;
    for (unsigned left = bytes.byte() % 5; left > 0; --left) {
        path += kNames[bytes.byte() % std::size(kNames)];
        if (left > 1) path += '/';
    }
    return path;
}

std::string archive_of(fuzz::Bytes& bytes) {
    sys::TextSink sink;
    sys::TarWriter writer(sink);
    for (int entries = 0; !bytes.empty() && entries < 40; ++entries) {
        sys::TarHeader header;
        header.type = static_cast<sys::TarType>(bytes.byte() % 7);
        header.mode = bytes.byte();
        header.uid = bytes.byte() % 3;
        header.path = path_of(bytes);
        header.link_target = path_of(bytes);
        if (header.type == sys::TarType::symlink && bytes.byte() % 2 == 0)
            header.link_target = bytes.byte() % 2 == 0 ? Place::place().path() + "/outside" : "../outside";
        std::string content(bytes.byte(), 'x');
        if (header.type == sys::TarType::file) header.size = content.size();
        writer.add(header);
        if (header.type == sys::TarType::file) writer.write(sys::bytes_of(content));
    }
    writer.finish();
    return sink.text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    fuzz::Bytes bytes(data, size);
    UnpackOptions options;
    options.whiteouts = static_cast<WhiteoutFormat>(bytes.byte() % 3);
    std::string archive = archive_of(bytes);
    UniqueFd box = Place::place().fresh_box();
    sys::TextSource source(archive);
    UnpackResult result;
    bool done = fuzz::succeeds([&] { result = unpack(source, box.get(), options); });
    Place::place().check_outside();
    if (done && options.whiteouts == WhiteoutFormat::overlay) {
        bool settled = fuzz::succeeds([&] { settle(result, box.get(), {}); });
        require(settled || !result.links_below.empty(), "only links can stay unsettled");
        sys::TextSink first;
        write_layer_tar(box.get(), first);
        // A layer that was unpacked, written and unpacked gives the same layer.
        UniqueFd again = Place::place().fresh_box();
        sys::TextSource written(first.text);
        unpack(written, again.get(), options);
        sys::TextSink second;
        write_layer_tar(again.get(), second);
        require(first.text == second.text, "a layer comes back as it was");
    }
    Place::place().check_outside();
    return 0;
}
