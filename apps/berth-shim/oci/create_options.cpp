// SPDX-License-Identifier: Apache-2.0
#include "create_options.h"

#include <fcntl.h>
#include <limits.h>

#include "base/error.h"
#include "sys/file.h"

namespace berth::oci {

std::string absolute_path(const std::string& path) {
    return path.empty() ? path : sys::clean_path(path, sys::current_dir());
}

void check_preserved_fds(int64_t count) {
    if (count < 0 || count > INT_MAX - 3)
        throw make_error(ErrorKind::invalid_argument, "invalid value {} for --preserve-fds", count);
    for (int i = 0; i < count; ++i) {
        // What we have opened ourselves (the log) is close-on-exec; what we have inherited can't be.
        int flags = fcntl(3 + i, F_GETFD);
        if (flags < 0 || (flags & FD_CLOEXEC))
            throw errno_error(EBADF, fmt::format("unable to stat preserved-fd {} (of {})", i, count));
    }
}

runtime::CreateOptions create_options(const Invocation& invocation) {
    const Flags& flags = invocation.flags;
    runtime::CreateOptions options;
    options.id = invocation.id();
    std::string bundle = flags.text("bundle");
    options.bundle = bundle.empty() ? sys::current_dir() : absolute_path(bundle);
    options.console_socket = absolute_path(flags.text("console-socket"));
    options.pid_file = absolute_path(flags.text("pid-file"));
    options.no_pivot = flags.boolean("no-pivot");
    options.no_new_keyring = flags.boolean("no-new-keyring");
    int64_t preserved = flags.number("preserve-fds").value_or(0);
    check_preserved_fds(preserved);
    options.preserve_fds = static_cast<int>(preserved);
    return options;
}

}  // namespace berth::oci
