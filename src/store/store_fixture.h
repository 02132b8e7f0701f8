// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/strings.h"
#include "store/images.h"
#include "sys/process.h"

/// What the tests of a store share: a folder of their own, images out of a few lines.
namespace berth::store {

/// A folder below TMPDIR that goes with the object.
class TemporaryFolder {
  public:
    TemporaryFolder();
    ~TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

/// path -> content; a path that ends in '/' is a folder, ".wh." names are whiteouts.
using Files = std::map<std::string, std::string>;
std::string make_tar(const Files& files);
std::string gzipped(std::string_view data);

struct ImageOptions {
    std::vector<Files> layers = {{{"hello", "hello"}}};
    std::vector<std::string> names;
    std::map<std::string, std::string> labels;
    std::string created = "2024-01-01T00:00:00Z";
    std::string comment;
    std::optional<Digest> parent;
    bool unpack = true;
    bool with_manifest = false;
};
/// An image as a pull makes it: blobs, layers, rows; under a lease of its own.
Image make_image(Store& store, const ImageOptions& options);

/// `work` in a child process; what it throws is its exit status 1 and text on stderr. The child must open its
/// own store.
sys::Child in_child(const std::function<void()>& work);
/// Runs `work` there and expects that it succeeds.
void expect_in_child(const std::function<void()>& work);

/// The same in a mount namespace of its own.
void in_own_mounts(const std::function<void()>& work);
/// For a child: throws `what` unless the condition holds.
void require(bool condition, const std::string& what);

std::vector<std::string> names_in(const std::string& path);
std::string read_text(const std::string& path);
void write_text(const std::string& path, std::string_view text);
/// `du -s --block-size=1`.
uint64_t du(const std::string& path);

class StoreTest : public testing::Test {
  protected:
    void SetUp() override;
    void open() { store = std::make_unique<Store>(Store::Options{.root = root()}); }
    void reopen() {
        store.reset();
        open();
    }
    std::string root() const { return folder.path() + "/store"; }

    TemporaryFolder folder;
    std::unique_ptr<Store> store;
};

}  // namespace berth::store
