// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/files/root_view.h"
#include "sys/byte_stream.h"

/// `docker cp`, as the API has it: /containers/{id}/archive and /export. `path` is the client's, absolute or
/// from the root; `container` is what the client called the container, for messages. All functions block.
///
/// Errors in Docker's words: not_found "Could not find the file /x in container y"; invalid_argument for a
/// path through a file, "extraction point is not a directory", a malformed archive; forbidden "container
/// rootfs is marked read-only", "mounted volume is marked read-only".
namespace berth::engine {

/// For the header X-Docker-Container-Path-Stat. The last name is not followed, except with a trailing '/' or
/// "/.", which demand a folder.
struct FileStat {
    std::string name;  ///< the path's last name; "/" for the root, "." for "x/."
    int64_t size = 0;
    uint32_t mode = 0;  ///< bits of Go's os.FileMode
    int64_t mtime_ns = 0;
    std::string link_target;  ///< of a symlink: what it finally leads to, absolute within the container
};
FileStat stat_path(const RootView& view, std::string_view path, std::string_view container);

/// A file or folder that was found and is to be sent. Holds the view and what the path led to: headers and
/// content are of the same file.
class PathArchive {
  public:
    PathArchive(std::shared_ptr<RootView> view, std::string_view path, std::string_view container);
    ~PathArchive();
    PathArchive(PathArchive&&) noexcept;

    const FileStat& stat() const;
    /// A tar of it, below its name ("etc/", "etc/passwd"; "./…" for "etc/."; "/…" for the root), sorted. What
    /// is mounted below is in it but for the kernel's interfaces and /dev. Sockets are left out. A file that
    /// changes its size meanwhile is cut off or filled up with zeros.
    void write(sys::ByteSink& to) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

struct PutOptions {
    /// A folder is never replaced by something else, nor something else by a folder.
    bool no_overwrite_dir_non_dir = false;
    /// Owner of all that is unpacked, instead of the archive's (copyUIDGID: the container's user).
    std::optional<std::pair<uid_t, gid_t>> owner;
};
/// Unpacks a tar (plain, gzip or zstd) into the folder `path`, whose symlinks are followed. Names in the
/// archive are taken below it; symlinks that are there, or that the archive makes, lead within the container.
/// Names with ".." that lead out of the folder are refused. Devices are made. What was unpacked before an
/// Error stays.
void put_archive(const RootView& view, std::string_view path, std::string_view container,
                 sys::ByteSource& archive, const PutOptions& options);

/// docker export: the root file system without what is mounted in it.
void export_tree(const RootView& view, sys::ByteSink& to);

/// st_mode as Go's os.FileMode: permission bits, and the type and setuid, setgid, sticky in its upper bits.
uint32_t go_file_mode(mode_t mode);

}  // namespace berth::engine
