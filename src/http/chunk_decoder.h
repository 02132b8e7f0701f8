// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace berth::http {

/// Takes the chunked coding (RFC 9112, 7.1) off a body, with Beast's parser. Extensions and trailers are
/// passed over.
class ChunkDecoder {
  public:
    ChunkDecoder();
    ~ChunkDecoder();

    struct Step {
        size_t consumed = 0, produced = 0;
    };
    /// Decodes as much of `in` as there is room for in `out`, which is not empty. What was not consumed must
    /// come again, with more behind it. Throws invalid_argument ("bad chunk").
    Step decode(std::string_view in, std::span<std::byte> out);
    /// Whether the last chunk and the trailers behind it were consumed.
    bool at_end() const;

  private:
    struct Parser;
    std::unique_ptr<Parser> parser_;
    bool starved_ = false;  ///< the last call consumed nothing, for want of bytes
};

}  // namespace berth::http
