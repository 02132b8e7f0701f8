// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <array>
#include <string>

#include "base/unique_fd.h"
#include "store/folder_chain.h"
#include "store/unpack.h"
#include "sys/tar_reader.h"

namespace berth::store {

/// Makes single entries of an archive in an open folder, with few system calls: what a new file has anyway
/// (owner, mode) is not set again. Every function takes the name of something in `folder` and throws EEXIST
/// (Error::code) where there is something.
class EntryMaker {
  public:
    EntryMaker(const UnpackOptions& options, int root);

    /// The data comes from `reader`; `count` is told of each part of it.
    void make_file(const FolderChain::Folder& folder, const std::string& name, const sys::TarHeader& header,
                   sys::TarReader& reader, const std::function<void(uint64_t)>& count);
    void make_symlink(const FolderChain::Folder& folder, const std::string& name,
                      const sys::TarHeader& header);
    void make_node(const FolderChain::Folder& folder, const std::string& name, const sys::TarHeader& header);
    /// An open one. Times are set when it is left.
    FolderChain::Folder make_folder(const FolderChain::Folder& parent, const std::string& name,
                                    const sys::TarHeader& header);
    /// The header's metadata for a folder that was there.
    void change_folder(FolderChain::Folder& folder, const sys::TarHeader& header);
    /// A folder that has no entry: 0755, the process's own.
    FolderChain::Folder make_implied_folder(const FolderChain::Folder& parent, const std::string& name);

    void make_whiteout(const FolderChain::Folder& folder, const std::string& name);
    static bool is_whiteout(const FolderChain::Folder& folder, const std::string& name);
    void make_opaque(int folder);

  private:
    bool has_other_owner(const FolderChain::Folder& folder, const sys::TarHeader& header) const;
    bool has_other_mode(const FolderChain::Folder& folder, const sys::TarHeader& header) const;
    void set_metadata(const FolderChain::Folder& folder, int fd, const sys::TarHeader& header);
    void set_xattr(int fd, bool is_path, const std::string& name, const std::string& value);
    void write_data(int fd, const std::string& name, sys::TarReader& reader,
                    const std::function<void(uint64_t)>& count);
    void write_sparse(int fd, const std::string& name, const sys::TarHeader& header, sys::TarReader& reader,
                      const std::function<void(uint64_t)>& count);

    const UnpackOptions& options_;
    uid_t uid_;
    gid_t gid_;
    mode_t umask_;
};

/// Access and modification time. Archives mostly lack the first, which is the second then.
std::array<timespec, 2> times_of(const sys::TarHeader& header);

}  // namespace berth::store
