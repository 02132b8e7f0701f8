// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace berth::app {

/// For a process that has had nothing to do for a while: gives the heap's free memory back, and unmaps the
/// pages of the program itself. Those that are needed again come from the page cache (a minor fault each);
/// those that only a start or a rare request needs stay away, and are the first that the kernel can use for
/// something else.
void give_back_memory() noexcept;

}  // namespace berth::app
