// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "store/compression.h"

namespace berth::store {

/// zlib's, always: the bytes must not depend on what is installed.
std::unique_ptr<Compressor> make_gzip_compressor(sys::ByteSink& to, int level);

}  // namespace berth::store
