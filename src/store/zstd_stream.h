// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "store/compression.h"

namespace berth::store {

/// The contents of zstd frames (RFC 8878), skippable ones left out.
std::unique_ptr<sys::ByteSource> make_zstd_source(sys::ByteSource& from);
std::unique_ptr<Compressor> make_zstd_compressor(sys::ByteSink& to, int level);

}  // namespace berth::store
