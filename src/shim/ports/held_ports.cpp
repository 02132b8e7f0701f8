// SPDX-License-Identifier: Apache-2.0
#include "shim/ports/held_ports.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "base/error.h"
#include "shim/proxy_tcp.h"
#include "shim/proxy_udp.h"
#include "sys/file.h"

namespace berth::shim {

namespace {

constexpr int64_t kDatagramIdleMs = 90'000;

}  // namespace

HeldPorts::HeldPorts(Loop& loop, Timer::Callback changed, void* object)
    : loop_(loop), changed_(changed), object_(object) {
    watch_.set<&HeldPorts::ready>(loop_, proxies_.fd(), EPOLLIN, this);
}

void HeldPorts::hold(const std::vector<WantedPort>& wanted) {
    std::map<HostPort, UniqueFd> fresh;
    for (const WantedPort& one : wanted)
        if (!held_.contains(one.port) && !fresh.contains(one.port))
            fresh.emplace(one.port, reserve(one.port));
    std::vector<WantedPort> undo;
    undo.reserve(fresh.size());
    try {
        for (auto& [port, socket] : fresh) {
            held_.try_emplace(port).first->second.reserved = std::move(socket);
            undo.push_back({port, std::nullopt});
        }
        for (const WantedPort& one : wanted) set_target(*held_.find(one.port), one.target);
    } catch (...) {
        release(undo);
        throw;
    }
}

void HeldPorts::release(const std::vector<WantedPort>& ports) {
    for (const WantedPort& one : ports) {
        auto found = held_.find(one.port);
        if (found == held_.end()) continue;
        std::unique_ptr<Forwarder> forwarder = std::move(found->second.forwarder);
        held_.erase(found);
        if (forwarder) retire(std::move(forwarder));
    }
}

void HeldPorts::set_target(Entry& entry, const std::optional<SocketAddress>& target) {
    Held& held = entry.second;
    if (target && held.forwarder)
        held.forwarder->retarget(*target);
    else if (target && held.reserved)
        open(entry, *target);
    else if (!target && held.forwarder)
        close(entry);
    held.target = target;
}

void HeldPorts::open(Entry& entry, const SocketAddress& target) {
    const HostPort& port = entry.first;
    Held& held = entry.second;
    open_reserved(held.reserved.get(), port);
    held.socket = held.reserved.get();
    if (port.protocol == IPPROTO_UDP)
        held.forwarder =
            std::make_unique<UdpForwarder>(proxies_, std::move(held.reserved), target, kDatagramIdleMs);
    else
        held.forwarder = std::make_unique<TcpForwarder>(proxies_, std::move(held.reserved), target);
}

void HeldPorts::close(Entry& entry) noexcept {
    Held& held = entry.second;
    // The forwarder closes its descriptor; the port must not be free meanwhile.
    held.reserved.reset(::fcntl(held.socket, F_DUPFD_CLOEXEC, 3));
    retire(std::move(held.forwarder));
    held.socket = -1;
    if (held.reserved) close_reserved(held.reserved.get(), entry.first);
}

void HeldPorts::retire(std::unique_ptr<Forwarder> forwarder) {
    forwarder->stop();
    forwarder->end_of_round();
    if (!forwarder->finished()) ending_.push_back(std::move(forwarder));
}

std::vector<WantedPort> HeldPorts::list(size_t from, size_t count) const {
    std::vector<WantedPort> ports;
    if (from >= held_.size()) return ports;
    for (auto entry = std::next(held_.begin(), static_cast<ptrdiff_t>(from));
         entry != held_.end() && ports.size() < count; ++entry)
        ports.push_back({entry->first, entry->second.target});
    return ports;
}

void HeldPorts::ready(uint32_t) {
    proxies_.round(0);
    for (Forwarder* forwarder : proxies_.touched()) look_after(*forwarder);
    drop_finished();
}

void HeldPorts::timeout() {
    wakes_ms_ = -1;
    // Reads the clock too.
    proxies_.round(0);
    for (auto& [port, held] : held_)
        if (held.forwarder) look_after(*held.forwarder);
    for (auto& forwarder : ending_) look_after(*forwarder);
    drop_finished();
}

void HeldPorts::look_after(Forwarder& forwarder) {
    forwarder.tick();
    forwarder.end_of_round();
    int64_t next = forwarder.deadline_ms();
    if (next < 0 || (wakes_ms_ >= 0 && wakes_ms_ <= next)) return;
    wakes_ms_ = next;
    auto delay = std::chrono::milliseconds(std::max<int64_t>(next - proxies_.now_ms(), 1));
    timer_.arm<&HeldPorts::timeout>(loop_, delay, this);
}

void HeldPorts::drop_finished() {
    if (ending_.empty()) return;
    if (std::erase_if(ending_, [](const auto& forwarder) { return forwarder->finished(); }) > 0)
        changed_(object_);
}

}  // namespace berth::shim
