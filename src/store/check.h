// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "store/images.h"

namespace berth::store {

struct CheckOptions {
    bool hash = true;  ///< read every blob; else only sizes are compared
};

struct CheckResult {
    uint64_t images = 0, layers = 0, blobs = 0, bytes = 0;
    std::vector<std::string> problems;  ///< a line each
};

/// Compares what the database says with what is on disk: each blob's file, size and digest; files that have
/// no row; that each image has its config, its manifest and, for each layer, a folder or a blob; each layer's
/// parent; and that the accounts add up. Changes nothing. What another process adds or removes meanwhile is
/// no problem.
CheckResult check(Store& store, const CheckOptions& options);

}  // namespace berth::store
