// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>
#include <sys/stat.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace berth::net::dns {

/// A server that is asked for what isn't ours.
struct Upstream {
    sockaddr_storage address{};
    socklen_t size = 0;
    /// Asked from the host's namespace, not from the container's: the host's resolvers, and what listens on
    /// loopback addresses, which are the host's for whoever names one.
    bool is_hosts = false;

    /// "1.1.1.1", "fe80::1%eth0"; of size 0 where it is no address.
    static Upstream parse(std::string_view text, bool is_hosts);
};

/// In the order in which they are asked.
struct UpstreamList {
    using Clock = std::chrono::steady_clock;
    std::vector<Upstream> servers;
    /// Asked first until then, since those before it did not answer: a dead server must not slow down each
    /// query, and one that comes back is first again.
    size_t first = 0;
    Clock::time_point until;
};

/// --dns: the first three, as Docker has it. What is no address is left out.
std::shared_ptr<UpstreamList> parse_servers(const std::vector<std::string>& servers);
/// resolv.conf(5): the first three servers; without one 127.0.0.1, as the host's own programs do.
std::shared_ptr<UpstreamList> parse_resolv_conf(std::string_view text);

/// The host's servers. The file is looked at whenever they are asked for, and read when it is another.
class HostResolvers {
  public:
    explicit HostResolvers(std::string path) : path_(std::move(path)) {}
    const std::shared_ptr<UpstreamList>& current();

  private:
    std::string path_;
    struct stat seen_{};
    std::shared_ptr<UpstreamList> list_;
};

}  // namespace berth::net::dns
