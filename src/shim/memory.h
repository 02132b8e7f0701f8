// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace berth::shim {

/// Gives the kernel back what this process doesn't use now: free heap, and the stack below the caller's
/// frame.
void return_memory() noexcept;

}  // namespace berth::shim
