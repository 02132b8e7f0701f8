// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "db/database.h"

namespace berth::registry::server {

/// The life of registry.db's schema, the BlobStore's tables in it included.
std::span<const db::Migration> migrations();

}  // namespace berth::registry::server
