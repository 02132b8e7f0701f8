// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "registry/client/repository.h"
#include "store/blobs.h"

namespace berth::registry {

struct DownloadOptions {
    uint64_t parallel_threshold = 32u << 20;
    size_t connections = 4;                  ///< for a blob above the threshold
    unsigned failures = 0;                   ///< see Repository::BlobRequest
    std::function<void(uint64_t)> received;  ///< bytes that are there
    Repository::Retrying retrying;
};

/// Brings what `ingest` lacks of a blob. A big blob comes in segments of some MiB over several connections,
/// in order, so that its beginning grows with the speed of all of them:
///
///     |#########|#########|####.....|##.......|#........|         |
///      prefix ------------>  connection 1  2     3         queue
///
/// A connection that breaks or stalls goes on from the byte where it stood; max_attempts failures in a row
/// without progress end it. A server that ignores Range (200) or refuses it (416) sends all from the start
/// over one connection, and what is there already is passed over. A blob whose length is not the descriptor's
/// is refused (invalid_argument). The digest is not looked at here. Errors are those of Repository and of the
/// store.
async::Task<void> download_blob(Repository& repository, spec::Descriptor descriptor,
                                std::shared_ptr<store::Ingest> ingest, DownloadOptions options);

/// What of [0, size) is not in `have` (sorted, merged).
std::vector<store::Range> missing_ranges(const std::vector<store::Range>& have, uint64_t size);

/// "bytes 0-99/200": the range and the total (0: unknown), or nothing where it is malformed (RFC 9110, 14.4).
struct ContentRange {
    store::Range range;
    uint64_t total = 0;
};
std::optional<ContentRange> parse_content_range(std::string_view text);

}  // namespace berth::registry
