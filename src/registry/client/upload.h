// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "base/unique_fd.h"
#include "registry/client/repository.h"

namespace berth::registry {

struct BlobUpload {
    Digest digest;
    int fd = -1;  ///< borrowed; -1: only a mount can help
    uint64_t size = 0;
    std::string mount_from;              ///< a repository's path, or empty
    std::function<void(uint64_t)> sent;  ///< bytes so far
    Repository::Retrying retrying;
};

enum class UploadOutcome { mounted, uploaded, not_mounted };

/// Mounts or uploads one blob: POST, then PUT with all of it (sendfile), or PATCHes where the registry wants
/// pieces (OCI-Chunk-Min-Length, or 413 to the whole). After a break it asks how much has come and goes on
/// from there, or starts anew. not_mounted: the registry has no such blob to mount and there is no file.
async::Task<UploadOutcome> upload_blob(Repository& repository, BlobUpload upload);

}  // namespace berth::registry
