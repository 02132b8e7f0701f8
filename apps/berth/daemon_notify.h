// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace berth::app {

/// Tells the service manager how the daemon does (sd_notify(3)); does nothing where there is none.
class ServiceNotifier {
  public:
    /// Takes NOTIFY_SOCKET out of the environment, so that no child speaks in the daemon's name.
    ServiceNotifier();
    void ready() const { send("READY=1"); }
    void reloading() const;
    void stopping() const { send("STOPPING=1"); }
    /// A line for `systemctl status`.
    void status(std::string_view text) const;

  private:
    void send(std::string_view state) const;
    std::string address_;
};

}  // namespace berth::app
