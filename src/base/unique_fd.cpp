// SPDX-License-Identifier: Apache-2.0
#include "base/unique_fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"

namespace berth {

void UniqueFd::reset(int fd) noexcept {
    int old = std::exchange(fd_, fd);
    if (old >= 0) {
        int saved = errno;
        ::close(old);
        errno = saved;
    }
}

UniqueFd UniqueFd::duplicate() const {
    int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) throw errno_error(errno, "duplicating a descriptor");
    return UniqueFd(copy);
}

}  // namespace berth
