// SPDX-License-Identifier: Apache-2.0
#include "registry/client/endpoints.h"

#include <arpa/inet.h>
#include <fcntl.h>

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"
#include "registry/client/client.h"
#include "sys/file.h"

namespace berth::registry {

namespace {

constexpr std::string_view kHub = "docker.io";
constexpr std::string_view kHubHost = "registry-1.docker.io";

/// 4 or 16 bytes; empty for what is no address.
std::vector<uint8_t> parse_address(const std::string& text) {
    std::vector<uint8_t> bytes(4);
    if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return bytes;
    bytes.resize(16);
    if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return bytes;
    return {};
}

bool contains(const std::vector<uint8_t>& network, unsigned bits, const std::vector<uint8_t>& address) {
    if (network.size() != address.size()) return false;
    for (size_t i = 0; i < network.size() && bits > 0; ++i) {
        unsigned here = std::min(bits, 8u);
        auto mask = static_cast<uint8_t>(0xff << (8 - here));
        if ((network[i] & mask) != (address[i] & mask)) return false;
        bits -= here;
    }
    return true;
}

/// "host" of "host:port", "[::1]:5000" and "::1".
std::string host_of(std::string_view authority) {
    if (authority.starts_with('[')) return std::string(authority.substr(1, authority.find(']') - 1));
    size_t colon = authority.rfind(':');
    if (colon == std::string_view::npos || authority.find(':') != colon) return std::string(authority);
    return std::string(authority.substr(0, colon));
}

void strip_slashes(std::string& target) {
    while (target.ends_with('/')) target.pop_back();
}

}  // namespace

http::Url Endpoint::url(std::string_view rest) const {
    http::Url result = base;
    result.target = base.target + "/v2/" + std::string(rest);
    return result;
}

Endpoints::Endpoints(const ClientConfig& config) : certs_dirs_(config.certs_dirs) {
    for (const std::string& mirror : config.mirrors) {
        http::Url url =
            with_context("registry mirror " + quote(mirror), [&] { return http::Url::parse(mirror); });
        if ((url.scheme != "https" && url.scheme != "http") ||
            url.target.find_first_of("?#") != std::string::npos)
            throw make_error(ErrorKind::invalid_argument,
                             "invalid mirror: {} must be http:// or https:// and a host, without a query",
                             quote(mirror));
        strip_slashes(url.target);
        mirrors_.push_back(std::move(url));
    }
    std::vector<std::string> insecure = config.insecure_registries;
    insecure.insert(insecure.end(), {"127.0.0.0/8", "::1/128"});
    for (const std::string& entry : insecure) {
        size_t slash = entry.find('/');
        if (slash == std::string::npos) {
            hosts_.push_back(entry);
            continue;
        }
        Network network{parse_address(entry.substr(0, slash)), 0};
        auto bits = parse_number<unsigned>(std::string_view(entry).substr(slash + 1));
        if (network.address.empty() || !bits || *bits > network.address.size() * 8)
            throw make_error(ErrorKind::invalid_argument,
                             "insecure registry {} is not valid: neither host[:port] nor a CIDR",
                             quote(entry));
        network.bits = *bits;
        networks_.push_back(std::move(network));
    }
}

bool Endpoints::is_insecure(std::string_view authority) const {
    if (std::find(hosts_.begin(), hosts_.end(), authority) != hosts_.end()) return true;
    std::string host = host_of(authority);
    if (host == "localhost" || host.ends_with(".localhost")) return true;
    std::vector<uint8_t> address = parse_address(host);
    return !address.empty() && std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
        return contains(network.address, network.bits, address);
    });
}

std::vector<Endpoint> Endpoints::find(const std::string& domain, Purpose purpose) const {
    std::vector<Endpoint> result;
    if (domain == kHub) {
        if (purpose == Purpose::pull)
            for (const http::Url& mirror : mirrors_)
                result.push_back({mirror, true, false, mirror.authority()});
        http::Url hub;
        hub.scheme = "https";
        hub.host = kHubHost;
        hub.target.clear();
        result.push_back({hub, false, is_insecure(kHubHost), std::string(kHub)});
        return result;
    }
    http::Url url = http::Url::parse("https://" + domain + "/");
    url.target.clear();
    result.push_back({url, false, is_insecure(domain), domain});
    return result;
}

bool Endpoints::may_follow(const http::Url& from, const http::Url& to) const {
    if (to.scheme == "https") return true;
    if (to.scheme != "http") return false;
    return from.scheme == "http" || is_insecure(to.authority());
}

http::TlsClientOptions Endpoints::tls(const http::Url& url) const {
    http::TlsClientOptions options;
    std::string authority = url.authority();
    options.verify = !is_insecure(authority);
    // The host may come from a stranger (a redirect, a token realm); it names a folder and nothing else.
    if (authority.starts_with('.') || authority.find('/') != std::string::npos) return options;
    for (const std::string& dir : certs_dirs_) {
        std::string path = dir + '/' + authority;
        auto folder = sys::try_open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (!folder) continue;
        std::vector<std::string> names = sys::list_dir(folder->get());
        std::sort(names.begin(), names.end());
        for (const std::string& name : names) {
            if (name.ends_with(".crt")) options.ca_files.push_back(path + '/' + name);
            if (!name.ends_with(".cert") || !options.certificate_file.empty()) continue;
            std::string key = name.substr(0, name.size() - 5) + ".key";
            if (std::find(names.begin(), names.end(), key) == names.end())
                throw make_error(
                    ErrorKind::invalid_argument,
                    "missing key {} for client certificate {}. CA certificates must use the extension .crt",
                    key, path + '/' + name);
            options.certificate_file = path + '/' + name;
            options.key_file = path + '/' + key;
        }
        break;  // the first folder wins
    }
    return options;
}

}  // namespace berth::registry
