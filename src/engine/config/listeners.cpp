// SPDX-License-Identifier: Apache-2.0
#include "engine/config/listeners.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "async/socket_address.h"
#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

constexpr int kFirstActivated = 3;  // SD_LISTEN_FDS_START
constexpr std::string_view kDefaultGroup = "berth";

bool is_loopback(const async::SocketAddress& address) {
    if (address.family() == AF_INET) {
        const auto* in = reinterpret_cast<const sockaddr_in*>(address.get());
        return (ntohl(in->sin_addr.s_addr) >> 24) == 127;
    }
    const auto* in6 = reinterpret_cast<const sockaddr_in6*>(address.get());
    return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

std::optional<gid_t> find_group(const std::string& name) {
    if (auto number = parse_number<gid_t>(name)) return number;
    std::array<char, 16384> buffer;
    group entry{}, *found = nullptr;
    if (::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || !found)
        return std::nullopt;
    return entry.gr_gid;
}

std::string environment(const char* name) {
    const char* value = ::getenv(name);
    return value ? value : "";
}

}  // namespace

void check_insecure_tcp(const DaemonConfig& config, std::string_view host) {
    if (!host.starts_with("tcp://") || (config.tls.enabled && config.tls.verify)) return;
    async::Address address = async::Address::parse(host);
    std::vector<async::SocketAddress> found = async::look_up(address.host, address.port, true);
    bool reachable = found.empty() || !std::ranges::all_of(found, is_loopback);
    if (!reachable) return;
    if (config.allow_insecure_tcp) {
        log::warning(
            "{}: everyone who can reach this address has root's rights on this machine, since clients are "
            "not "
            "verified",
            host);
        return;
    }
    throw make_error(
        ErrorKind::forbidden,
        "refusing to listen on {} without verifying clients: everyone who can reach it would have "
        "root's rights on this machine. Use --tlsverify with --tlscacert, --tlscert and --tlskey, "
        "or a loopback address, or ssh; --allow-insecure-tcp forces it",
        host);
}

SocketActivation::SocketActivation() {
    std::string pid = environment("LISTEN_PID"), count = environment("LISTEN_FDS");
    std::string name_list = environment("LISTEN_FDNAMES");
    // They are ours alone: programs that the daemon starts must not take them for theirs.
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
    if (parse_number<pid_t>(pid) != ::getpid()) return;
    std::vector<std::string_view> names = split(name_list, ':');
    for (int i = 0; i < parse_number<int>(count).value_or(0); ++i) {
        int number = kFirstActivated + i;
        if (::fcntl(number, F_SETFD, FD_CLOEXEC) != 0) continue;
        std::string name(static_cast<size_t>(i) < names.size() ? names[i] : "");
        sockets_.push_back({number, std::move(name), UniqueFd(number)});
    }
}

std::vector<ActivatedSocket> SocketActivation::take(std::string_view host) {
    std::string_view which = host.substr(host.find("://") + 3);
    bool all = which.empty() || which == "*";
    std::vector<ActivatedSocket> taken;
    for (Entry& entry : sockets_) {
        if (!entry.fd || !(all || which == entry.name || parse_number<int>(which) == entry.number)) continue;
        int family = async::SocketAddress::of_socket(entry.fd.get()).family();
        taken.push_back({std::move(entry.fd), family == AF_INET || family == AF_INET6});
    }
    if (taken.empty())
        throw make_error(
            ErrorKind::invalid_argument,
            "{}: no sockets found via socket activation: make sure the service was started by systemd", host);
    return taken;
}

void share_socket(const std::string& path, const std::string& group) {
    std::optional<gid_t> id = find_group(group.empty() ? std::string(kDefaultGroup) : group);
    if (!id && !group.empty()) throw make_error(ErrorKind::not_found, "group {} not found", group);
    sys::check(::chown(path.c_str(), 0, id.value_or(0)), [&] { return "chown " + path; });
    sys::check(::chmod(path.c_str(), 0660), [&] { return "chmod " + path; });
}

}  // namespace berth::engine
