// SPDX-License-Identifier: Apache-2.0
#include "runtime/state.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"
#include "sys/file.h"
#include "sys/unix_socket.h"

namespace berth::runtime {

namespace {

UniqueFd unix_socket() {
    return UniqueFd(sys::check(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "socket"));
}

}  // namespace

UniqueFd make_state_dir(const std::string& root, const std::string& id) {
    std::string path = root + '/' + id;
    int made = ::mkdir(path.c_str(), 0700);
    if (made < 0 && errno == ENOENT) {
        sys::make_dirs(root, 0700);
        made = ::mkdir(path.c_str(), 0700);
    }
    if (made < 0 && errno == EEXIST)
        throw make_error(ErrorKind::conflict, "container with given ID already exists: {}", id);
    sys::check(made, [&] { return "mkdir " + path; });
    return sys::open_file(path, O_RDONLY | O_DIRECTORY);
}

std::optional<UniqueFd> find_state_dir(const std::string& root, const std::string& id) {
    return sys::try_open_at(AT_FDCWD, root + '/' + id, O_RDONLY | O_DIRECTORY);
}

void remove_state_dir(const std::string& root, const std::string& id) {
    sys::remove_tree_at(AT_FDCWD, root + '/' + id);
}

void save_state(int dir, const StateRecord& record) {
    sys::write_file_atomic_at(dir, kStateFile, json::print(json::encode(record)));
}

std::optional<StateRecord> load_state(int dir) {
    std::optional<std::string> text = sys::try_read_file_at(dir, kStateFile);
    if (!text) return std::nullopt;
    return with_context(kStateFile, [&] { return json::decode_text<StateRecord>(*text); });
}

UniqueFd listen_for_start(int dir) {
    UniqueFd socket = unix_socket();
    sockaddr_un address = sys::unix_address(dir, kStartSocket);
    sys::check(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address),
               "bind start.sock");
    sys::check(::listen(socket.get(), 8), "listen on start.sock");
    return socket;
}

bool somebody_waits(int dir) {
    if (::faccessat(dir, kStartSocket, F_OK, 0) < 0) return false;
    UniqueFd socket(
        sys::check(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket"));
    sockaddr_un address = sys::unix_address(dir, kStartSocket);
    return ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ||
           errno == EAGAIN;
}

std::optional<UniqueFd> connect_to_start(int dir) {
    UniqueFd socket = unix_socket();
    sockaddr_un address = sys::unix_address(dir, kStartSocket);
    int result = sys::retry(
        [&] { return ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address); });
    if (result < 0 && (errno == ENOENT || errno == ECONNREFUSED)) return std::nullopt;
    sys::check(result, "connect to start.sock");
    return socket;
}

std::string user_name(uint32_t uid) {
    std::optional<std::string> table = sys::try_read_file("/etc/passwd");
    std::string number = std::to_string(uid);
    if (table)
        for (std::string_view line : split(*table, '\n')) {
            std::vector<std::string_view> fields = split(line, ':');
            if (fields.size() > 2 && fields[2] == number) return std::string(fields[0]);
        }
    return number;
}

}  // namespace berth::runtime
