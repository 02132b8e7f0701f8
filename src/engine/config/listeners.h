// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "engine/config/daemon_config.h"

/// What stands around the daemon's sockets: who may open them, and those that systemd made.
namespace berth::engine {

/// Throws (forbidden, with what to do) where plain TCP would be reachable from other machines and is not
/// forced. Blocking: names are looked up.
void check_insecure_tcp(const DaemonConfig& config, std::string_view host);

/// A socket that came from systemd (sd_listen_fds(3)).
struct ActivatedSocket {
    UniqueFd fd;
    bool is_tcp = false;
};

/// For "fd://" (all sockets), "fd://3" or "fd://name". Takes LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES of the
/// environment; each socket is given once. Throws where there is none.
class SocketActivation {
  public:
    SocketActivation();
    std::vector<ActivatedSocket> take(std::string_view host);

  private:
    struct Entry {
        int number = 0;
        std::string name;
        UniqueFd fd;
    };
    std::vector<Entry> sockets_;
};

/// Gives the unix socket at `path` to the group: the one that is asked for, else "berth", else root. Throws
/// where the group that was asked for is absent.
void share_socket(const std::string& path, const std::string& group);

}  // namespace berth::engine
