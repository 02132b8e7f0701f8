// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/awaitable.hpp>

namespace berth::async {

/// A coroutine that runs on its Context's thread. Move-only, started when awaited (or by spawn(), run()).
template <typename T = void>
using Task = boost::asio::awaitable<T>;

}  // namespace berth::async
