// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/context.h"
#include "build/cache/cache.h"
#include "build/plan/plan.h"
#include "build/progress/progress.h"
#include "context/tree.h"
#include "http/client.h"
#include "sys/byte_stream.h"

/// Where files come from, all seen as a Tree whose contents can be had one by one. Control thread; what
/// blocks runs on the pool.
namespace berth::build {

class FileTree {
  public:
    virtual ~FileTree() = default;
    /// All entries, contents perhaps unknown. Of the session: once `entries_end` has come.
    virtual async::Task<const context::Tree*> tree() = 0;
    /// After it every file that is selected has its content. Files that changed or went meanwhile are seen as
    /// they are then.
    virtual async::Task<void> need_digests(std::vector<context::Selection> selections) = 0;
    /// After it open() gives every selected file. Returns whether a content turned out to be another than
    /// tree() said (the client's file changed meanwhile): keys have to be made anew; after the third time
    /// unavailable "x changes while it is sent".
    virtual async::Task<bool> need_files(std::vector<context::Selection> selections) = 0;
    /// A file's bytes; blocking, on the pool. `index` of tree()->entries().
    virtual UniqueFd open(size_t index) = 0;
};
using FileTreePointer = std::shared_ptr<FileTree>;

/// A tar on its way (POST /build's body, `berth build -`): plain, gzip, zstd, bzip2 and xz where their
/// programs are installed. Read to its end; files go to the cache by content, nothing is unpacked.
/// `.dockerignore` in it is honoured when it is read. Blocking. A text that is no tar is a Dockerfile of its
/// own, as with Docker.
struct TarContext {
    FileTreePointer tree;
    std::optional<std::string> dockerfile;  ///< the stream was one
};
TarContext read_tar_context(Cache& cache, sys::ByteSource& from, const std::string& dockerfile);

/// An open folder (OCI layouts, checkouts, a stage's mounted file system: TreeView of exec/). Contents of
/// `chain` (when not "") are kept by it, since a chain never changes.
FileTreePointer make_folder_tree(UniqueFd root, Cache& cache, std::string chain, bool drop_owner);

/// "https://host/x.git#ref:folder", "git@host:x", "git://…", "host.com/user/x.git", "https://host/x?ref=v1";
/// nothing where it is none. Credentials in it are never shown.
std::optional<GitSource> parse_git_url(std::string_view text);
/// Runs `git` (in PATH of the daemon; unavailable with how to install it) with a clean environment, no
/// prompts, no hooks, protocol.ext and file: off, the folder of CacheKind::git as object store; shallow.
/// Submodules too. The vertex's key is the commit. GIT_AUTH_TOKEN and GIT_AUTH_HEADER secrets are given on
/// stdin of a credential helper, never as arguments.
struct GitCheckout {
    FileTreePointer tree;
    std::string commit;
};
using SecretSource = std::function<async::Task<std::optional<std::string>>(std::string id)>;
async::Task<GitCheckout> fetch_git(Cache& cache, GitSource source, SecretSource secrets,
                                   VertexProgress progress);

/// A download of ADD or a remote context, one file; asked again with its ETag or Last-Modified. 3xx at most
/// 10 times; invalid_argument "digest mismatch" where a checksum was given. Bodies up to the disk's rest: the
/// cache's cap, 32 MiB at least, is not the limit of one file.
struct Download {
    FileTreePointer tree;
    std::string content_type;
    std::optional<int64_t> last_modified;  ///< the file's mtime, s
};
async::Task<Download> fetch_http(Cache& cache, http::Client& client, HttpSource source,
                                 VertexProgress progress);
/// What a URL as the main context is: a git repository, a tar, or a Dockerfile's text.
async::Task<TarContext> fetch_remote_context(Cache& cache, http::Client& client, std::string url,
                                             VertexProgress progress);

}  // namespace berth::build
