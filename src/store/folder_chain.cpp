// SPDX-License-Identifier: Apache-2.0
#include "store/folder_chain.h"

#include <fcntl.h>
#include <unistd.h>

#include "sys/file.h"

namespace berth::store {

namespace {

void settle_times(FolderChain::Folder& folder) {
    if (!folder.times) return;
    sys::check(::futimens(folder.fd.get(), folder.times->data()), "set the times of a folder");
}

}  // namespace

FolderChain::FolderChain(int root) {
    Folder folder;
    folder.fd = sys::open_at(root, ".", O_RDONLY | O_DIRECTORY);
    struct stat status{};
    sys::check(::fstat(folder.fd.get(), &status), "stat the root folder");
    folder.gives_group = (status.st_mode & S_ISGID) != 0 || status.st_gid != ::getegid();
    folders_.push_back(std::move(folder));
}

std::optional<FolderChain::Folder> FolderChain::open(int parent, std::string_view name) {
    Folder folder;
    folder.name = name;
    folder.fd = UniqueFd(sys::retry([&] {
        return ::openat(parent, folder.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }));
    if (!folder.fd) {
        if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return std::nullopt;
        throw errno_error(errno, "open " + folder.name);
    }
    return folder;
}

size_t FolderChain::common(std::span<const std::string_view> names) const {
    size_t same = 0;
    while (same < names.size() && same < depth() && folders_[same + 1].name == names[same]) ++same;
    return same;
}

void FolderChain::leave(size_t depth) {
    while (this->depth() > depth) {
        Folder& folder = folders_.back();
        if (folder.fd) settle_times(folder);
        folders_.pop_back();
    }
}

void FolderChain::push(Folder folder) {
    if (folders_.size() > kHeld) {
        // The root stays open; of the others the lowest ones.
        Folder& far = folders_[folders_.size() - kHeld];
        if (far.fd) settle_times(far);
        far.times.reset();
        far.fd.reset();
    }
    folders_.push_back(std::move(folder));
}

FolderChain::Folder& FolderChain::top() {
    if (!folders_.back().fd) reopen();
    return folders_.back();
}

/// The whole way from the root: only trees deeper than kHeld come here.
void FolderChain::reopen() {
    int parent = folders_.front().fd.get();
    UniqueFd held;
    for (size_t i = 1; i < folders_.size(); ++i) {
        std::optional<Folder> next = open(parent, folders_[i].name);
        if (!next) throw errno_error(errno, "open " + folders_[i].name);
        held = std::move(next->fd);
        parent = held.get();
    }
    Folder& folder = folders_.back();
    folder.fd = std::move(held);
    struct stat status{};
    sys::check(::fstat(folder.fd.get(), &status), [&] { return "stat " + folder.name; });
    folder.times = {status.st_atim, status.st_mtim};
}

void FolderChain::forget(std::span<const std::string_view> names) {
    if (names.empty() || depth() < names.size() || common(names) < names.size()) return;
    folders_.resize(names.size());
}

}  // namespace berth::store
