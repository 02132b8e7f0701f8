// SPDX-License-Identifier: Apache-2.0
#include "runtime/terminal.h"

#include <fcntl.h>

#include "base/error.h"
#include "sys/file.h"
#include "sys/unix_socket.h"

namespace berth::runtime {

UniqueFd connect_console_socket(const std::string& path) {
    return with_context([&] { return "--console-socket " + path; }, [&] { return sys::connect_unix(path); });
}

void write_pid_file(const std::string& path, pid_t pid) {
    size_t slash = path.find_last_of('/');
    std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    UniqueFd dir = sys::open_file(folder, O_RDONLY | O_DIRECTORY);
    sys::write_file_atomic_at(dir.get(), slash == std::string::npos ? path : path.substr(slash + 1),
                              std::to_string(pid), 0644);
}

}  // namespace berth::runtime
