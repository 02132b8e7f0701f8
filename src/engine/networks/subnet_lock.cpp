// SPDX-License-Identifier: Apache-2.0
#include "engine/networks/subnet_lock.h"

#include <fcntl.h>

#include "base/error.h"
#include "sys/file.h"

namespace berth::engine {

std::optional<store::LockFile> lock_subnets() {
    try {
        // One for the machine, whatever the daemons' roots.
        UniqueFd run = sys::open_file("/run", O_RDONLY | O_DIRECTORY);
        return store::LockFile::acquire(run.get(), "berth-subnets.lock", std::chrono::seconds(2));
    } catch (const Error&) {
        return std::nullopt;
    }
}

}  // namespace berth::engine
