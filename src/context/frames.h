// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "context/tree.h"

/// The wire between `berth build` and the daemon: frames over the connection that POST
/// /berth/build?protocol=1 gave away (101, as an attach). Both ends are in here as far as they are bytes; the
/// loops are build/context/session.h (daemon) and cli/build/session.h. docs/builder.md, "The session".
///
///   0        1        4                8
///   | type   | channel (24 bits, LE)   | length (32 bits, LE), at most kMaxFrame | length bytes
///
/// A channel is a context (its index in the request), a secret, an ssh connection or an output; 0 is the
/// build itself. A receiver that meets an unknown type ends the session with invalid_argument, but for types
/// from 0x80 on, which are skipped.
namespace berth::context {

inline constexpr size_t kMaxFrame = 1 << 20;
inline constexpr size_t kFrameHead = 8;
inline constexpr int kProtocolVersion = 1;

enum class FrameType : uint8_t {
    // client -> daemon
    request = 0x01,      ///< 0: spec::api::BuildRequest as JSON, the first frame
    entries = 0x02,      ///< context: encode_entries(), one or more frames, after `request` unasked
    entries_end = 0x03,  ///< context: i64, when the walk began: what changed after it (or 100 ms before)
                         ///< is not remembered
    digests = 0x04,      ///< context: encode_digests(), the answer to want_digests
    data = 0x05,         ///< context or output: bytes of the file that `file` named
    /// context: u32 index, u64 size, u8 flags (1: it is gone); `data` of that size follow. A file that got
    /// shorter meanwhile is filled up with zeros: its digest tells.
    file = 0x06,
    files_end = 0x07,  ///< context: all that a want_data asked for has been sent
    secret = 0x08,     ///< secret: its bytes (at most kMaxSecret), or `failure`
    failure = 0x09,    ///< what was asked for can't be had: u8 type of that want_… frame, then why, as text
    ssh_data = 0x0a,
    ssh_end = 0x0b,      ///< both ways
    cancel = 0x0c,       ///< 0
    credit = 0x0d,       ///< output: u32 bytes that the client has taken
    credentials = 0x0e,  ///< X-Registry-Auth's value for the host; empty: none

    // daemon -> client
    want_digests = 0x21,  ///< context: encode_indices(); at once, in any order
    want_data = 0x22,     ///< context: encode_indices()
    want_secret = 0x23,   ///< secret: its id
    ssh_open = 0x24,      ///< a new channel: the ssh id
    status = 0x25,        ///< 0: one or more lines of spec::api::SolveStatus JSON
    output = 0x26,  ///< output: index of the request's output, u8 kind (0: one file or stdout, 1: a tar of
                    ///< a folder to unpack); its `data` follow, then output_end
    output_end = 0x27,
    want_credentials = 0x2a,  ///< a registry's host
    result = 0x28,            ///< 0: spec::api::BuildResult as JSON, the last frame
    error = 0x29,             ///< 0: {"message", "kind", "location"?} as JSON, the last frame
};

inline constexpr size_t kMaxSecret = 500 * 1024;  ///< as BuildKit

struct Frame {
    FrameType type{};
    uint32_t channel = 0;
    std::string body;
};
/// The head; the body is sent behind it (write_pieces).
std::string encode_head(FrameType type, uint32_t channel, size_t length);

/// Takes bytes as they come and gives whole frames.
class FrameReader {
  public:
    /// Throws invalid_argument for a length above kMaxFrame and for unknown types.
    void feed(std::span<const std::byte> data);
    std::optional<Frame> next();

  private:
    std::string buffered_;
    size_t taken_ = 0;
};

/// Path (shared prefix with the entry before it left out), type, mode, size, device, link, mtime, ctime,
/// inode: variable-length numbers, ~25 bytes an entry. Pieces of at most kMaxFrame.
std::vector<std::string> encode_entries(std::span<const Entry> entries);
/// One piece after the other. Throws invalid_argument; Tree() checks paths.
class EntryReader {
  public:
    void feed(std::string_view piece, std::vector<Entry>& into);

  private:
    std::string last_path_;
};
/// Rising indices of entries, as differences.
std::string encode_indices(std::span<const size_t> indices);
std::vector<size_t> decode_indices(std::string_view text, size_t limit);
/// For each index asked for: 32 bytes of sha256, all zero where the file is gone.
std::string encode_digests(std::span<const Digest> digests);
std::vector<Digest> decode_digests(std::string_view text);

}  // namespace berth::context
