// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/unique_fd.h"
#include "http/server.h"

namespace berth::registry::server {

/// One JSON line for each request. Opened for appending, so that it can be rotated by copying and truncating.
class AccessLog {
  public:
    /// "-": standard output; "": no log.
    explicit AccessLog(const std::string& path);
    void write(const http::AccessRecord& record);

  private:
    UniqueFd file_;
    int fd_ = -1;
    bool failed_ = false;  ///< told once
};

}  // namespace berth::registry::server
