// SPDX-License-Identifier: Apache-2.0
#include "shim/memory.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace berth::shim {

namespace {

/// How far down a stack may have been used: below its end there is nothing to give back.
constexpr uintptr_t kStackDepth = uintptr_t{256} * 1024;

}  // namespace

void return_memory() noexcept {
    malloc_trim(0);
    // Pages below this frame hold nothing that lives. One page is left for calls on the way; a part of the
    // range that the stack never reached makes madvise fail with ENOMEM after it did the rest.
    auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    auto* frame = static_cast<char*>(__builtin_frame_address(0));
    char* end = frame - reinterpret_cast<uintptr_t>(frame) % page - page;
    madvise(end - kStackDepth, kStackDepth, MADV_DONTNEED);
}

}  // namespace berth::shim
