// SPDX-License-Identifier: Apache-2.0
#include "net/dns/resolvers.h"

#include <net/if.h>
#include <netinet/in.h>

#include <cstring>

#include "base/strings.h"
#include "net/address.h"
#include "sys/file.h"

namespace berth::net::dns {

namespace {

constexpr uint16_t kPort = 53;
constexpr size_t kMaxServers = 3;  // resolv.conf(5), MAXNS

bool is_same_file(const struct stat& a, const struct stat& b) {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
           a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec &&
           a.st_ctim.tv_sec == b.st_ctim.tv_sec && a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

}  // namespace

Upstream Upstream::parse(std::string_view text, bool is_hosts) {
    Upstream result;
    size_t percent = text.find('%');
    std::optional<IpAddress> address = IpAddress::parse(text.substr(0, percent));
    if (!address) return result;
    result.is_hosts = is_hosts || address->is_loopback();
    if (address->is_v4()) {
        auto& v4 = reinterpret_cast<sockaddr_in&>(result.address);
        v4.sin_family = AF_INET;
        v4.sin_port = htons(kPort);
        std::memcpy(&v4.sin_addr, address->bytes.data(), 4);
        result.size = sizeof v4;
        return result;
    }
    auto& v6 = reinterpret_cast<sockaddr_in6&>(result.address);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(kPort);
    std::memcpy(&v6.sin6_addr, address->bytes.data(), 16);
    if (percent != std::string_view::npos) {
        // A link-local address with its zone means something on the host alone.
        result.is_hosts = true;
        std::string zone(text.substr(percent + 1));
        v6.sin6_scope_id = parse_number<uint32_t>(zone).value_or(::if_nametoindex(zone.c_str()));
    }
    result.size = sizeof v6;
    return result;
}

std::shared_ptr<UpstreamList> parse_servers(const std::vector<std::string>& servers) {
    auto list = std::make_shared<UpstreamList>();
    for (const std::string& text : servers) {
        Upstream server = Upstream::parse(text, false);
        if (server.size != 0 && list->servers.size() < kMaxServers) list->servers.push_back(server);
    }
    return list;
}

std::shared_ptr<UpstreamList> parse_resolv_conf(std::string_view text) {
    auto list = std::make_shared<UpstreamList>();
    for (std::string_view line : split(text, '\n')) {
        std::vector<std::string_view> words = split_fields(line);
        if (words.size() < 2 || words[0] != "nameserver" || list->servers.size() == kMaxServers) continue;
        Upstream server = Upstream::parse(words[1], true);
        if (server.size != 0) list->servers.push_back(server);
    }
    if (list->servers.empty()) list->servers.push_back(Upstream::parse("127.0.0.1", true));
    return list;
}

const std::shared_ptr<UpstreamList>& HostResolvers::current() {
    struct stat now{};
    bool exists = ::stat(path_.c_str(), &now) == 0;
    if (list_ && (!exists || is_same_file(now, seen_))) return list_;
    // One that is being replaced may be absent for a moment: the servers of before stay until then.
    std::string text;
    try {
        text = sys::try_read_file(path_).value_or("");
    } catch (const Error&) {
        if (list_) return list_;
    }
    seen_ = now;
    list_ = parse_resolv_conf(text);
    return list_;
}

}  // namespace berth::net::dns
