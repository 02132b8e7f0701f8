// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/spare_shim.h"

#include <utility>

#include "base/log.h"

namespace berth::engine {

std::optional<shim::WaitingShim> SpareShim::take() {
    std::scoped_lock lock(mutex_);
    std::optional<shim::WaitingShim> taken = std::exchange(waiting_, std::nullopt);
    // The kernel may have killed it for its memory.
    if (taken && !taken->is_alive()) taken.reset();
    return taken;
}

shim::Spawned SpareShim::spawn(int directory, const std::string& id) {
    std::optional<shim::WaitingShim> shim = take();
    if (!shim) shim = shim::WaitingShim::start(program_);
    return std::move(*shim).run(directory, id, true);
}

void SpareShim::prepare() noexcept {
    try {
        std::scoped_lock lock(mutex_);
        if (!waiting_ || !waiting_->is_alive()) waiting_ = shim::WaitingShim::start(program_);
    } catch (...) {
        log::debug("no shim waits for the next container: {}", current_exception_message());
    }
}

}  // namespace berth::engine
