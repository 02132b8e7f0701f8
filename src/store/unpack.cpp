// SPDX-License-Identifier: Apache-2.0
#include "store/unpack.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <set>
#include <unordered_set>

#include "base/strings.h"
#include "store/layer_names.h"
#include "store/resolve_path.h"
#include "store/unpack_entry.h"
#include "sys/file.h"

namespace berth::store {

using sys::TarHeader;
using sys::TarType;

namespace {

using Names = std::span<const std::string_view>;
using Folder = FolderChain::Folder;

/// Of implied folders and links that the layers below must settle.
constexpr size_t kMaxResult = 16 * 1024 * 1024;
constexpr size_t kItemCost = 64;
constexpr uint64_t kProgressBytes = 1024 * 1024, kProgressEntries = 256;

template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) {
    throw Error(ErrorKind::invalid_argument, fmt::format(format, std::forward<Args>(args)...));
}

/// The names in a path; an absolute one is taken as relative, as Docker and tar do.
void split_path(std::string_view path, std::vector<std::string_view>& names) {
    names.clear();
    while (!path.empty()) {
        size_t slash = std::min(path.find('/'), path.size());
        std::string_view name = path.substr(0, slash);
        path.remove_prefix(std::min(slash + 1, path.size()));
        if (name.empty() || name == ".") continue;
        if (name == "..") refuse("the path leads out of the archive by \"..\"");
        if (name.size() > NAME_MAX) refuse("a name is longer than {} bytes", NAME_MAX);
        names.push_back(name);
    }
    if (names.size() > FolderChain::kMaxDepth)
        refuse("it lies more than {} folders deep", FolderChain::kMaxDepth);
}

std::string join_path(Names names) {
    std::string path;
    for (std::string_view name : names) {
        if (!path.empty()) path += '/';
        path += name;
    }
    return path;
}

/// The names of one entry that were unpacked, so that `apply` knows them from those that were there before.
class KnownPaths {
  public:
    void add(Names names) {
        size_t hash = 0;
        for (std::string_view name : names) hashes_.insert(hash = next(hash, name));
    }
    bool has(Names names) const {
        size_t hash = 0;
        for (std::string_view name : names) hash = next(hash, name);
        return hashes_.contains(hash);
    }
    bool has(Names folder, std::string_view name) const {
        size_t hash = 0;
        for (std::string_view above : folder) hash = next(hash, above);
        return hashes_.contains(next(hash, name));
    }

  private:
    static size_t next(size_t hash, std::string_view name) {
        return (hash ^ std::hash<std::string_view>{}(name)) * 0x9e3779b97f4a7c15U + 1;
    }
    std::unordered_set<size_t> hashes_;
};

class Unpacker {
  public:
    Unpacker(sys::ByteSource& tar, int root, const UnpackOptions& options)
        : options_(options), reader_(tar), maker_(options, root), folders_(root), targets_(root) {}

    UnpackResult run();

  private:
    bool is_layer() const { return options_.whiteouts == WhiteoutFormat::overlay; }

    void unpack_entry(const TarHeader& header);
    bool unpack_marker(const TarHeader& header);
    void unpack_root(const TarHeader& header);
    void unpack_named(const TarHeader& header);

    void whiteout(Folder& folder, Names names);
    void opaque(Folder& folder, Names names);
    void make_directory(const TarHeader& header);
    void make_link(Folder& folder, const TarHeader& header);
    template <typename Make>
    void make(Folder& folder, Make&& body);
    void replace(Folder& folder, Names names);

    Names parent() const { return Names(names_).first(names_.size() - 1); }
    Folder& enter_parent();
    Folder* enter_target_parent();
    std::optional<Folder> open_or_make(Folder& parent, Names names);
    void keep_times(Folder& folder, Names names);
    void count_bytes(uint64_t bytes);
    void count_result(size_t bytes);

    const UnpackOptions& options_;
    sys::TarReader reader_;
    EntryMaker maker_;
    FolderChain folders_;  ///< where entries are made
    FolderChain targets_;  ///< where hard links point to
    UnpackResult result_;
    std::set<std::string> implied_;
    std::optional<KnownPaths> known_;  ///< unless a layer's folder is made: there nothing was before
    size_t result_size_ = 0;
    uint64_t written_ = 0, reported_ = 0;
    bool has_root_ = false;

    /// Of the entry, and of a hard link's target: in its header, or below where symlinks were resolved.
    std::vector<std::string_view> names_, target_names_;
    std::string resolved_, resolved_target_;
    std::string name_;  ///< the last of names_
};

UnpackResult Unpacker::run() {
    if (!is_layer()) known_.emplace();
    std::function<void()> report = [&] {
        reported_ = written_;
        if (options_.progress) options_.progress(written_);
    };
    while (const TarHeader* header = reader_.next()) {
        with_context([&] { return "unpacking " + quote(std::string_view(header->path).substr(0, 256)); },
                     [&] { unpack_entry(*header); });
        if (result_.entries % kProgressEntries == 0) report();
    }
    folders_.leave(0);
    if (folders_.root().times)
        sys::check(::futimens(folders_.root().fd.get(), folders_.root().times->data()),
                   "set the times of the root");
    reader_.drain();
    report();
    if (!has_root_) result_.implied_directories.emplace_back(".");
    for (auto it = implied_.begin(); it != implied_.end();)
        result_.implied_directories.push_back(std::move(implied_.extract(it++).value()));
    return std::move(result_);
}

void Unpacker::count_bytes(uint64_t bytes) {
    written_ += bytes;
    if (written_ - reported_ < kProgressBytes) return;
    reported_ = written_;
    if (options_.progress) options_.progress(written_);
}

void Unpacker::count_result(size_t bytes) {
    result_size_ += bytes + kItemCost;
    if (result_size_ > kMaxResult)
        refuse("too many folders without an entry, or links to files of other layers");
}

void Unpacker::unpack_entry(const TarHeader& header) {
    if (++result_.entries > options_.max_entries)
        refuse("the archive has more than {} entries", options_.max_entries);
    if (header.size > options_.max_bytes - result_.bytes)
        refuse("the archive's files have more than {} bytes", options_.max_bytes);
    split_path(header.path, names_);
    if (names_.empty()) return unpack_root(header);
    if (options_.whiteouts != WhiteoutFormat::none &&
        header.path.find(kWhiteoutPrefix) != std::string::npos && unpack_marker(header))
        return;
    result_.bytes += header.size;
    unpack_named(header);
    if (known_ && (options_.whiteouts == WhiteoutFormat::apply || header.type == TarType::directory))
        known_->add(names_);
}

void Unpacker::unpack_root(const TarHeader& header) {
    if (header.type != TarType::directory) refuse("the root of the archive is not a folder");
    folders_.leave(0);
    maker_.change_folder(folders_.root(), header);
    has_root_ = true;
}

/// Whether the entry is not a file but says something about others.
bool Unpacker::unpack_marker(const TarHeader& header) {
    for (std::string_view name : names_)
        if (name.starts_with(kWhiteoutMetaPrefix) && name != kWhiteoutOpaque) return true;
    if (!names_.back().starts_with(kWhiteoutPrefix)) return false;
    if (header.type == TarType::directory) refuse("a whiteout that is a folder");
    if (names_.back() == kWhiteoutOpaque) {
        Folder& folder = enter_parent();
        opaque(folder, parent());
        return true;
    }
    std::string_view name = names_.back().substr(kWhiteoutPrefix.size());
    if (name.empty() || name == "." || name == "..") refuse("a whiteout of no file");
    names_.back() = name;
    name_ = name;
    Folder& folder = enter_parent();
    whiteout(folder, names_);
    return true;
}

void Unpacker::whiteout(Folder& folder, Names names) {
    if (!is_layer()) {
        if (!known_->has(names)) replace(folder, names);
        return;
    }
    try {
        maker_.make_whiteout(folder, name_);
    } catch (const Error& error) {
        if (error.code() != EEXIST) throw;
        // It means only what is below: a folder of this archive's own is all that is seen then.
        if (std::optional<Folder> present = FolderChain::open(folder.fd.get(), name_))
            maker_.make_opaque(present->fd.get());
    }
}

void Unpacker::opaque(Folder& folder, Names names) {
    if (is_layer()) return maker_.make_opaque(folder.fd.get());
    for (const std::string& name : sys::list_dir(folder.fd.get())) {
        if (known_->has(names, name)) continue;
        std::vector<std::string_view> path(names.begin(), names.end());
        path.push_back(name);
        folders_.forget(path);
        targets_.forget(path);
        sys::remove_tree_at(folder.fd.get(), name);
    }
}

/// Takes away what is in an entry's place.
void Unpacker::replace(Folder& folder, Names names) {
    if (::unlinkat(folder.fd.get(), name_.c_str(), 0) == 0 || errno == ENOENT) return;
    if (errno != EISDIR) throw errno_error(errno, "remove what is in its place");
    targets_.forget(names);
    sys::remove_tree_at(folder.fd.get(), name_);
    if (implied_.empty()) return;
    std::string path = join_path(names);
    implied_.erase(path);
    path += '/';
    auto it = implied_.lower_bound(path);
    while (it != implied_.end() && it->starts_with(path)) it = implied_.erase(it);
}

template <typename Make>
void Unpacker::make(Folder& folder, Make&& body) {
    try {
        body();
    } catch (const Error& error) {
        if (error.code() != EEXIST) throw;
        replace(folder, names_);
        body();
    }
}

void Unpacker::unpack_named(const TarHeader& header) {
    name_ = names_.back();
    if (header.type == TarType::directory) return make_directory(header);
    Folder& folder = enter_parent();
    switch (header.type) {
        case TarType::file:
            make(folder, [&] {
                maker_.make_file(folder, name_, header, reader_,
                                 [this](uint64_t bytes) { count_bytes(bytes); });
            });
            break;
        case TarType::hard_link: make_link(folder, header); break;
        case TarType::symlink:
            if (header.link_target.empty()) refuse("a symlink to nothing");
            make(folder, [&] { maker_.make_symlink(folder, name_, header); });
            break;
        case TarType::char_device:
        case TarType::block_device:
        case TarType::fifo: make(folder, [&] { maker_.make_node(folder, name_, header); }); break;
        case TarType::directory: break;
    }
}

void Unpacker::make_directory(const TarHeader& header) {
    Folder& parent = enter_parent();
    if (!implied_.empty()) implied_.erase(join_path(names_));
    bool replaces_whiteout = false;
    while (true) {
        try {
            Folder folder = maker_.make_folder(parent, name_, header);
            if (replaces_whiteout) maker_.make_opaque(folder.fd.get());
            return folders_.push(std::move(folder));
        } catch (const Error& error) {
            if (error.code() != EEXIST) throw;
        }
        if (std::optional<Folder> folder = FolderChain::open(parent.fd.get(), name_)) {
            maker_.change_folder(*folder, header);
            return folders_.push(std::move(*folder));
        }
        replaces_whiteout = is_layer() && EntryMaker::is_whiteout(parent, name_);
        replace(parent, names_);
    }
}

void Unpacker::make_link(Folder& folder, const TarHeader& header) {
    split_path(header.link_target, target_names_);
    if (target_names_.empty()) refuse("a hard link to the root");
    Folder* from = enter_target_parent();
    std::string target(target_names_.back());
    if (from != nullptr && !(is_layer() && EntryMaker::is_whiteout(*from, target))) {
        auto link = [&] {
            return ::linkat(from->fd.get(), target.c_str(), folder.fd.get(), name_.c_str(), 0);
        };
        if (link() == 0) return;
        if (errno == EEXIST) {
            struct stat present{}, wanted{};
            bool same = ::fstatat(from->fd.get(), target.c_str(), &wanted, AT_SYMLINK_NOFOLLOW) == 0 &&
                        ::fstatat(folder.fd.get(), name_.c_str(), &present, AT_SYMLINK_NOFOLLOW) == 0 &&
                        present.st_ino == wanted.st_ino && present.st_dev == wanted.st_dev;
            if (same) return;
            if (wanted.st_ino != 0) {
                replace(folder, names_);
                if (link() == 0) return;
            }
        }
        if (errno == EPERM) refuse("a hard link to a folder: {}", quote(header.link_target));
        if (errno != ENOENT && errno != EEXIST)
            throw errno_error(errno, "link to " + quote(header.link_target));
    }
    if (!is_layer()) refuse("a hard link to a file that is not there: {}", quote(header.link_target));
    replace(folder, names_);
    std::pair<std::string, std::string> below(join_path(names_), join_path(target_names_));
    count_result(below.first.size() + below.second.size());
    result_.links_below.push_back(std::move(below));
}

/// The folder that the entry lies in. Symlinks on the way are followed within the root, as Docker and
/// containerd do; `names_` is the real path then.
Folder& Unpacker::enter_parent() {
    auto enter = [&] {
        return folders_.enter(
            parent(), [&](Folder& above, size_t i) { return open_or_make(above, parent().first(i + 1)); });
    };
    Folder* folder = enter();
    if (folder == nullptr) {
        resolved_ = resolve_folders(folders_.root().fd.get(), names_);
        split_path(resolved_, names_);
        folder = enter();
    }
    if (folder == nullptr)
        refuse("{} in its path is not a folder", quote(join_path(parent().first(folders_.depth() + 1))));
    if (options_.whiteouts != WhiteoutFormat::none)
        for (std::string_view name : parent())
            if (name.starts_with(kWhiteoutPrefix)) refuse("it lies in a whiteout");
    return *folder;
}

/// Nothing where there is no such folder in the root.
Folder* Unpacker::enter_target_parent() {
    auto enter = [&] {
        return targets_.enter(
            Names(target_names_).first(target_names_.size() - 1),
            [&](Folder& above, size_t i) { return FolderChain::open(above.fd.get(), target_names_[i]); });
    };
    Folder* folder = enter();
    if (folder != nullptr) return folder;
    resolved_target_ = resolve_folders(folders_.root().fd.get(), target_names_);
    split_path(resolved_target_, target_names_);
    return enter();
}

/// The folder `names` in `parent`; nothing where something else is in its place.
std::optional<Folder> Unpacker::open_or_make(Folder& parent, Names names) {
    std::string name(names.back());
    if (std::optional<Folder> folder = FolderChain::open(parent.fd.get(), name)) {
        keep_times(*folder, names);
        return folder;
    }
    bool replaces_whiteout = false;
    if (errno != ENOENT) {
        replaces_whiteout = is_layer() && EntryMaker::is_whiteout(parent, name);
        if (!replaces_whiteout) return std::nullopt;
        sys::check(::unlinkat(parent.fd.get(), name.c_str(), 0), "remove a whiteout");
    }
    Folder folder = maker_.make_implied_folder(parent, name);
    if (replaces_whiteout) maker_.make_opaque(folder.fd.get());
    std::string path = join_path(names);
    count_result(path.size());
    if (is_layer()) implied_.insert(std::move(path));
    return folder;
}

/// A folder that was left and is entered again keeps the times of its entry.
void Unpacker::keep_times(Folder& folder, Names names) {
    struct stat status{};
    sys::check(::fstat(folder.fd.get(), &status), "stat a folder");
    folder.gives_group = (status.st_mode & S_ISGID) != 0 || status.st_gid != ::getegid();
    if (is_layer() || known_->has(names)) folder.times = {status.st_atim, status.st_mtim};
}

}  // namespace

UnpackResult unpack(sys::ByteSource& tar, int root, const UnpackOptions& options) {
    return Unpacker(tar, root, options).run();
}

}  // namespace berth::store
