// SPDX-License-Identifier: Apache-2.0
#include "daemon_memory.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace berth::app {

namespace {

/// Called for each loaded object; the program is the first. Its segments that can't be written hold nothing
/// but the file's content.
int drop_segments(dl_phdr_info* object, size_t, void*) {
    auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    for (int i = 0; i < object->dlpi_phnum; ++i) {
        const ElfW(Phdr)& segment = object->dlpi_phdr[i];
        if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
        uintptr_t begin = object->dlpi_addr + segment.p_vaddr;
        uintptr_t end = begin + segment.p_filesz;
        begin -= begin % page;
        end -= end % page;  // the last page may be shared with the next segment
        if (end > begin) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }
    return 1;
}

}  // namespace

void give_back_memory() noexcept {
    ::malloc_trim(0);
    ::dl_iterate_phdr(drop_segments, nullptr);
}

}  // namespace berth::app
