// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/unique_fd.h"

namespace berth::oci {

/// --pidfd-socket: a listening unix socket that is sent one pidfd (SCM_RIGHTS).
class PidfdSocket {
  public:
    /// Connects, so that a wrong path fails before anything is made. An empty path: send() does nothing.
    explicit PidfdSocket(const std::string& path);
    void send(int pidfd);

  private:
    UniqueFd socket_;
};

}  // namespace berth::oci
