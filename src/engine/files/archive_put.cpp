// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "base/strings.h"
#include "engine/files/archive.h"
#include "engine/files/beneath.h"
#include "engine/files/found_path.h"
#include "store/compression.h"
#include "store/unpack_entry.h"
#include "sys/file.h"
#include "sys/tar_reader.h"

namespace berth::engine {

using store::FolderChain;
using sys::TarHeader;
using sys::TarType;

namespace {

template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) {
    throw Error(ErrorKind::invalid_argument, fmt::format(format, std::forward<Args>(args)...));
}

/// Gives what was read to find out the compression once more.
class HeadedSource : public sys::ByteSource {
  public:
    explicit HeadedSource(sys::ByteSource& from) : from_(from) {
        while (size_ < head_.size()) {
            size_t got = from_.read(std::span(head_).subspan(size_));
            if (got == 0) break;
            size_ += got;
        }
    }
    std::span<const std::byte> head() const { return std::span(head_).first(size_); }
    size_t read(std::span<std::byte> into) override {
        if (at_ == size_) return from_.read(into);
        size_t count = std::min(into.size(), size_ - at_);
        std::memcpy(into.data(), head_.data() + at_, count);
        at_ += count;
        return count;
    }

  private:
    sys::ByteSource& from_;
    std::array<std::byte, 16> head_{};
    size_t size_ = 0, at_ = 0;
};

/// The folders between the target and the place where work is done, so that the next entry, which mostly lies
/// in the same one, needs no look-up; and the times that a folder gets when nothing more is put into it.
/// Paths are as the archive has them. A folder that was opened stays within the container's tree whatever is
/// renamed.
class OpenFolders {
  public:
    OpenFolders(int root, std::string target) : root_(root), target_(std::move(target)) {}

    /// The folder `path` below the target ("" is the target itself); made where it is missing.
    FolderChain::Folder& enter(const std::string& path) {
        leave(path);
        if (folders_.empty() || folders_.back().path != path)
            push(path, open_or_make(fmt::format("{}/{}", target_, path)));
        return folders_.back().folder;
    }
    /// One that has just been made or changed, with its times.
    void push(std::string path, FolderChain::Folder folder) {
        if (folders_.size() == kHeld) {
            settle(folders_.front());
            folders_.erase(folders_.begin());
        }
        folders_.push_back({std::move(path), std::move(folder)});
    }
    /// Forgets those that `path` is not, and is not below: their times are set.
    void leave(std::string_view path) {
        while (!folders_.empty() && !holds(folders_.back().path, path)) {
            settle(folders_.back());
            folders_.pop_back();
        }
    }
    void leave_all() {
        for (Open& open : folders_) settle(open);
        folders_.clear();
    }
    FolderChain::Folder open_or_make(const std::string& path) {
        FolderChain::Folder folder;
        folder.fd = make_folders_in_root(root_, path);
        folder.gives_group = true;  // so that owner and mode are always set
        return folder;
    }

  private:
    static constexpr size_t kHeld = 64;
    struct Open {
        std::string path;
        FolderChain::Folder folder;
    };
    static bool holds(std::string_view folder, std::string_view path) {
        return folder.empty() || path == folder ||
               (path.starts_with(folder) && path.substr(folder.size()).starts_with('/'));
    }
    static void settle(Open& open) {
        if (open.folder.times)
            sys::check(::futimens(open.folder.fd.get(), open.folder.times->data()),
                       "set the times of a folder");
    }

    int root_;
    std::string target_;
    std::vector<Open> folders_;
};

class Extractor {
  public:
    Extractor(int root, std::string target, const PutOptions& options)
        : root_(root),
          target_(std::move(target)),
          options_(options),
          unpack_options_{.whiteouts = store::WhiteoutFormat::none, .progress = {}},
          maker_(unpack_options_, root),
          folders_(root, target_) {}

    void run(sys::ByteSource& archive);

  private:
    void extract(TarHeader header, sys::TarReader& reader);
    void make_folder(FolderChain::Folder& parent, const TarHeader& header);
    void make_link(FolderChain::Folder& parent, const TarHeader& header);
    template <typename Make>
    void make(FolderChain::Folder& parent, Make&& body);
    void replace(const FolderChain::Folder& parent);
    std::string clean_name(std::string_view name) const;
    void split_path();

    int root_;
    std::string target_;
    const PutOptions& options_;
    store::UnpackOptions unpack_options_;
    store::EntryMaker maker_;
    OpenFolders folders_;

    /// Of the entry: its path below the target, the folder in it, its last name.
    std::string path_, parent_, name_;
};

void Extractor::run(sys::ByteSource& archive) {
    sys::TarReader reader(archive);
    while (const TarHeader* header = reader.next())
        with_context([&] { return "unpacking " + quote(std::string_view(header->path).substr(0, 256)); },
                     [&] { extract(*header, reader); });
    folders_.leave_all();
    reader.drain();
}

/// Relative to the target, without "." and ".."; empty for the target itself.
std::string Extractor::clean_name(std::string_view name) const {
    std::vector<std::string> names;
    for (std::string_view part : split(name, '/')) {
        if (part.empty() || part == ".") continue;
        if (part != "..") {
            names.emplace_back(part);
            continue;
        }
        // Above the root there is nothing but the root.
        if (names.empty() && !name.starts_with('/') && !target_.empty())
            refuse("{} is outside of {}", quote(name), quote(target_));
        if (!names.empty()) names.pop_back();
    }
    return join(names, "/");
}

void Extractor::split_path() {
    size_t slash = path_.rfind('/');
    parent_ = slash == std::string::npos ? "" : path_.substr(0, slash);
    name_ = slash == std::string::npos ? path_ : path_.substr(slash + 1);
}

void Extractor::extract(TarHeader header, sys::TarReader& reader) {
    path_ = clean_name(header.path);
    // The target's own entry changes nothing, as with Docker.
    if (path_.empty()) return;
    split_path();
    if (options_.owner) {
        header.uid = options_.owner->first;
        header.gid = options_.owner->second;
    }
    FolderChain::Folder& parent = folders_.enter(parent_);
    switch (header.type) {
        case TarType::directory: make_folder(parent, header); break;
        case TarType::file:
            make(parent, [&] { maker_.make_file(parent, name_, header, reader, [](uint64_t) {}); });
            break;
        case TarType::symlink: make(parent, [&] { maker_.make_symlink(parent, name_, header); }); break;
        case TarType::hard_link: make_link(parent, header); break;
        case TarType::char_device:
        case TarType::block_device:
        case TarType::fifo: make(parent, [&] { maker_.make_node(parent, name_, header); }); break;
    }
}

/// Takes away what is in an entry's place; never a folder where that is forbidden.
void Extractor::replace(const FolderChain::Folder& parent) {
    if (::unlinkat(parent.fd.get(), name_.c_str(), 0) == 0 || errno == ENOENT) return;
    if (errno != EISDIR) throw errno_error(errno, "remove what is in its place");
    if (options_.no_overwrite_dir_non_dir)
        refuse("cannot overwrite directory {} with non-directory {}", quote(target_ + "/" + path_),
               quote(target_.empty() ? "/" : target_));
    sys::remove_tree_at(parent.fd.get(), name_);
}

template <typename Make>
void Extractor::make(FolderChain::Folder& parent, Make&& body) {
    try {
        body();
    } catch (const Error& error) {
        if (error.code() != EEXIST) throw;
        replace(parent);
        body();
    }
}

void Extractor::make_folder(FolderChain::Folder& parent, const TarHeader& header) {
    while (true) {
        try {
            return folders_.push(path_, maker_.make_folder(parent, name_, header));
        } catch (const Error& error) {
            if (error.code() != EEXIST) throw;
        }
        if (std::optional<FolderChain::Folder> folder = FolderChain::open(parent.fd.get(), name_)) {
            maker_.change_folder(*folder, header);
            folder->gives_group = true;
            return folders_.push(path_, std::move(*folder));
        }
        if (options_.no_overwrite_dir_non_dir)
            refuse("cannot overwrite non-directory {} with directory {}", quote(target_ + "/" + path_),
                   quote(target_.empty() ? "/" : target_));
        replace(parent);
    }
}

void Extractor::make_link(FolderChain::Folder& parent, const TarHeader& header) {
    std::string target = clean_name(header.link_target);
    if (target.empty()) refuse("a hard link to the folder itself");
    size_t slash = target.rfind('/');
    std::string folder = slash == std::string::npos ? "" : target.substr(0, slash);
    std::string name = slash == std::string::npos ? target : target.substr(slash + 1);
    UniqueFd from = open_in_root(root_, fmt::format("{}/{}", target_, folder), O_RDONLY | O_DIRECTORY);
    if (target == path_) return;
    make(parent, [&] {
        sys::check(::linkat(from.get(), name.c_str(), parent.fd.get(), name_.c_str(), 0),
                   [&] { return "link to " + quote(header.link_target); });
    });
}

void check_writable(const RootView& view, int target) {
    struct statvfs status{};
    sys::check(::fstatvfs(target, &status), "statvfs");
    if ((status.f_flag & ST_RDONLY) == 0) return;
    bool is_root = mount_id(target) == mount_id(view.root());
    throw Error(ErrorKind::forbidden,
                is_root ? "container rootfs is marked read-only" : "mounted volume is marked read-only");
}

}  // namespace

void put_archive(const RootView& view, std::string_view path, std::string_view container,
                 sys::ByteSource& archive, const PutOptions& options) {
    ClientPath wanted(path);
    std::optional<UniqueFd> target = try_open_in_root(view.root(), wanted.clean, O_PATH);
    if (!target) {
        if (errno == ENOENT) throw_no_file(path, container);
        refuse("lstat {}: {}", path, errno_text(errno));
    }
    struct stat status{};
    sys::check(::fstat(target->get(), &status), [&] { return fmt::format("stat {}", path); });
    if (is_kernel_interface(target->get())) throw_no_file(path, container);
    if (!S_ISDIR(status.st_mode)) refuse("extraction point is not a directory");
    check_writable(view, target->get());

    HeadedSource source(archive);
    std::unique_ptr<sys::ByteSource> tar =
        store::make_decompressor(source, store::detect_compression(source.head()));
    Extractor extractor(view.root(), wanted.clean == "/" ? "" : wanted.clean, options);
    extractor.run(*tar);
}

}  // namespace berth::engine
