// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "db/database.h"

namespace berth::engine {

/// The life of engine.db's schema. The list only grows.
std::span<const db::Migration> migrations();

}  // namespace berth::engine
