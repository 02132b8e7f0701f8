// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <map>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/strings.h"
#include "store/layer_lookup.h"
#include "store/unpack.h"
#include "sys/file.h"
#include "sys/tar_writer.h"

namespace berth::store {

/// A folder of its own and what tests of layers need in it. Device nodes, owners and trusted attributes need
/// root.
class LayerTest : public testing::Test {
  protected:
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "needs root";
        std::string pattern = testing::TempDir() + "berth-layer-XXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        path_ = pattern;
        ::chmod(path_.c_str(), 0755);
    }
    void TearDown() override {
        if (!path_.empty()) sys::remove_tree_at(AT_FDCWD, path_);
    }

    std::string at(std::string_view name) const { return fmt::format("{}/{}", path_, name); }
    void make_folder(const std::string& name) const { ::mkdir(at(name).c_str(), 0755); }
    /// Made if it isn't there.
    UniqueFd folder(const std::string& name) const {
        make_folder(name);
        return sys::open_file(at(name), O_RDONLY | O_DIRECTORY);
    }
    void write(const std::string& name, std::string_view content, mode_t mode = 0644) const {
        UniqueFd fd = sys::open_file(at(name), O_WRONLY | O_CREAT | O_TRUNC, mode);
        sys::write_all(fd.get(), content, name);
    }
    struct stat status(const std::string& name) const {
        struct stat result{};
        EXPECT_EQ(::lstat(at(name).c_str(), &result), 0) << name;
        return result;
    }
    bool is_there(const std::string& name) const {
        struct stat result{};
        return ::lstat(at(name).c_str(), &result) == 0;
    }

    /// Unpacks into the folder `name` (made if it isn't there).
    UnpackResult unpack_text(std::string_view archive, const std::string& name,
                             const UnpackOptions& options = {}) {
        sys::TextSource source(archive);
        return unpack(source, folder(name).get(), options);
    }
    std::string unpack_error(std::string_view archive, const std::string& name,
                             const UnpackOptions& options = {}) {
        try {
            unpack_text(archive, name, options);
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::invalid_argument) << error.what();
            return error.what();
        }
        return "accepted";
    }

    using Tree = std::map<std::string, std::string>;
    /// Everything that a layer keeps of a tree. Hard links are shown as the first name of their file.
    Tree describe(const std::string& name, bool with_root = false) const {
        Tree tree;
        std::map<ino_t, std::string> links;
        describe_folder(at(name), "", tree, links);
        if (!with_root) tree.erase("");
        return tree;
    }

  private:
    static void describe_folder(const std::string& path, const std::string& name, Tree& tree,
                                std::map<ino_t, std::string>& links) {
        UniqueFd fd = sys::open_file(path, O_PATH | O_NOFOLLOW);
        struct stat status{};
        ::fstat(fd.get(), &status);
        std::string line = fmt::format("{:o} {}:{} {}.{}", status.st_mode, status.st_uid, status.st_gid,
                                       status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
        if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode))
            line += fmt::format(" {}:{}", major(status.st_rdev), minor(status.st_rdev));
        if (S_ISREG(status.st_mode))
            line += fmt::format(" {} {}", status.st_size, Digest::of(sys::read_file(path)).short_hex());
        if (S_ISLNK(status.st_mode)) {
            char target[4096];
            line += fmt::format(" -> {}",
                                std::string_view(target, ::readlink(path.c_str(), target, sizeof target)));
        }
        for (const auto& [key, value] : read_xattrs(fd.get(), true, [](std::string_view) { return true; }))
            line += fmt::format(" {}={}", key, quote(value));
        if (!S_ISDIR(status.st_mode) && status.st_nlink > 1)
            line += fmt::format(" = {}", links.try_emplace(status.st_ino, name).first->second);
        tree[name] = line;
        if (!S_ISDIR(status.st_mode)) return;
        UniqueFd inner = sys::open_file(path, O_RDONLY | O_DIRECTORY);
        std::vector<std::string> names = sys::list_dir(inner.get());
        std::ranges::sort(names);
        for (const std::string& entry : names)
            describe_folder(path + "/" + entry, name.empty() ? entry : name + "/" + entry, tree, links);
    }

  protected:
    std::string path_;
};

/// An archive, entry by entry.
class Archive {
  public:
    Archive() : writer_(sink_) {}
    Archive& file(std::string path, std::string_view content = "", uint32_t mode = 0644) {
        writer_.add_file(header(std::move(path), sys::TarType::file, mode), content);
        return *this;
    }
    Archive& dir(std::string path, uint32_t mode = 0755) {
        writer_.add(header(std::move(path), sys::TarType::directory, mode));
        return *this;
    }
    Archive& symlink(std::string path, std::string target) {
        return link(path, target, sys::TarType::symlink);
    }
    Archive& hard_link(std::string path, std::string target) {
        return link(path, target, sys::TarType::hard_link);
    }
    Archive& add(const sys::TarHeader& header, std::string_view content = "") {
        writer_.add_file(header, content);
        return *this;
    }
    std::string bytes() {
        writer_.finish();
        return sink_.text;
    }
    static sys::TarHeader header(std::string path, sys::TarType type, uint32_t mode = 0644) {
        sys::TarHeader header;
        header.path = std::move(path);
        header.type = type;
        header.mode = mode;
        header.mtime = {1'500'000'000, 0};
        return header;
    }

  private:
    Archive& link(const std::string& path, const std::string& target, sys::TarType type) {
        sys::TarHeader link = header(path, type, 0777);
        link.link_target = target;
        writer_.add(link);
        return *this;
    }
    sys::TextSink sink_;
    sys::TarWriter writer_;
};

}  // namespace berth::store
