// SPDX-License-Identifier: Apache-2.0
#include "runtime/terminal.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "base/error.h"
#include "sys/file.h"

namespace berth::runtime {

UniqueFd connect_console_socket(const std::string& path) {
    return with_context(
        [&] { return "--console-socket " + path; },
        [&] {
            UniqueFd file = sys::open_file(path, O_PATH);
            std::string by_descriptor = fmt::format("/proc/self/fd/{}", file.get());
            sockaddr_un address{};
            address.sun_family = AF_UNIX;
            std::memcpy(address.sun_path, by_descriptor.c_str(), by_descriptor.size() + 1);
            UniqueFd socket(sys::check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
            int result = sys::retry([&] {
                return ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
            });
            sys::check(result, "connect");
            return socket;
        });
}

void write_pid_file(const std::string& path, pid_t pid) {
    size_t slash = path.find_last_of('/');
    std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    UniqueFd dir = sys::open_file(folder, O_RDONLY | O_DIRECTORY);
    sys::write_file_atomic_at(dir.get(), slash == std::string::npos ? path : path.substr(slash + 1),
                              std::to_string(pid), 0644);
}

}  // namespace berth::runtime
