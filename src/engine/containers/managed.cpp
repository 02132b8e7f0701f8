// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/managed.h"

#include <utility>

#include "base/log.h"
#include "engine/containers/log_plan.h"

namespace berth::engine {

ManagedContainer::ManagedContainer(async::Context& context, const DaemonConfig& config,
                                   ContainerRecord record, ContainerState state)
    : operations(context), config_(config), changed_(context) {
    record_ = std::move(record);
    state_ = std::move(state);
}

async::Task<void> ManagedContainer::add_session(std::shared_ptr<StreamSession> session) {
    if (std::shared_ptr<shim::AsyncClient> shim = shim_)
        co_await session->bind(std::move(shim));
    else
        sessions_.push_back(std::move(session));
}

void ManagedContainer::drop_session(const StreamSession* session) {
    std::erase_if(sessions_, [&](const auto& waiting) { return waiting.get() == session; });
}

async::Task<void> ManagedContainer::changed() {
    auto self = shared_from_this();
    co_await self->changed_.wait();
}

std::shared_ptr<void> ManagedContainer::at_exit(std::function<void()> listener) {
    auto held = std::make_shared<std::function<void()>>(std::move(listener));
    std::erase_if(exit_listeners_, [](const auto& known) { return known.expired(); });
    exit_listeners_.push_back(held);
    return held;
}

std::string ManagedContainer::directory() const {
    return config_.data_root + "/containers/" + id();
}
std::string ManagedContainer::bundle() const {
    return config_.exec_root + "/c/" + id();
}

std::string ManagedContainer::log_path() const {
    return container_log_plan(record_, directory()).location.path;
}

void ManagedContainer::set_record(ContainerRecord record) {
    record_ = std::move(record);
    notify();
}
void ManagedContainer::set_state(ContainerState state) {
    state_ = std::move(state);
    notify();
}
void ManagedContainer::notify() {
    changed_.set();
    changed_.reset();
}

void ManagedContainer::attach_life(std::shared_ptr<Life> life_now) {
    shim_ = life_now->shim;
    life = std::move(life_now);
}

async::Task<void> ManagedContainer::bind_sessions() {
    auto self = shared_from_this();
    while (!self->sessions_.empty() && self->shim_) {
        std::shared_ptr<StreamSession> session = self->sessions_.front();
        self->sessions_.erase(self->sessions_.begin());
        try {
            std::shared_ptr<shim::AsyncClient> shim = self->shim_;
            co_await session->bind(std::move(shim));
        } catch (...) {
            log::warning("attaching to container {}: {}", self->id(), current_exception_message());
        }
    }
}

void ManagedContainer::abandon_sessions() noexcept {
    for (const auto& session : std::exchange(sessions_, {})) session->abandon();
}

void ManagedContainer::detach_shim() {
    shim_ = nullptr;
    for (const auto& listener : std::exchange(exit_listeners_, {}))
        if (auto alive = listener.lock()) (*alive)();
}

}  // namespace berth::engine
