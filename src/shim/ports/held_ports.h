// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/unique_fd.h"
#include "shim/loop.h"
#include "shim/ports/host_port.h"
#include "shim/proxy_loop.h"

namespace berth::shim {

/// The ports that this process holds, and what goes through them. The forwarders have a loop of their own
/// (ProxyLoop), which is one descriptor of `loop`.
class HeldPorts {
  public:
    /// `changed` is called when connections have ended.
    HeldPorts(Loop& loop, Timer::Callback changed, void* object);
    HeldPorts(const HeldPorts&) = delete;
    HeldPorts& operator=(const HeldPorts&) = delete;

    /// All or none. Of what is held the target is replaced. Throws as reserve().
    void hold(const std::vector<WantedPort>& wanted);
    /// Connections go on. What isn't held is passed over.
    void release(const std::vector<WantedPort>& ports);

    size_t count() const noexcept { return held_.size(); }
    /// Nothing held, and no connection goes through.
    bool idle() const noexcept { return held_.empty() && ending_.empty(); }
    /// `count` of them from the one numbered `from`, in an order of their own.
    std::vector<WantedPort> list(size_t from, size_t count) const;
    void drop_buffer() noexcept { proxies_.drop_buffer(); }

  private:
    struct Held {
        UniqueFd reserved;  ///< empty while it is open, or where the kernel lacks the protocol
        std::unique_ptr<Forwarder> forwarder;
        int socket = -1;  ///< the forwarder's
        std::optional<SocketAddress> target;
    };
    using Entry = std::pair<const HostPort, Held>;

    void set_target(Entry& entry, const std::optional<SocketAddress>& target);
    void open(Entry& entry, const SocketAddress& target);
    void close(Entry& entry) noexcept;
    /// What it has taken goes on to its end.
    void retire(std::unique_ptr<Forwarder> forwarder);
    void ready(uint32_t events);
    void timeout();
    /// After a round, and when its time has come.
    void look_after(Forwarder& forwarder);
    void drop_finished();

    Loop& loop_;
    Timer::Callback changed_;
    void* object_;
    ProxyLoop proxies_;
    std::map<HostPort, Held> held_;
    std::list<std::unique_ptr<Forwarder>> ending_;
    Watch watch_;
    Timer timer_;
    int64_t wakes_ms_ = -1;  ///< when the timer fires, by the clock of proxies_; negative: it isn't armed
};

}  // namespace berth::shim
