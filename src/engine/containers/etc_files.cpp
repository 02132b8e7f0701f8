// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/etc_files.h"

#include <fcntl.h>

#include <algorithm>

#include "base/strings.h"
#include "engine/oci/modes.h"
#include "sys/file.h"

namespace berth::engine {
namespace {

constexpr std::string_view kLocalHosts =
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::\tip6-localnet\n"
    "ff00::\tip6-mcastprefix\n"
    "ff02::1\tip6-allnodes\n"
    "ff02::2\tip6-allrouters\n";

void write_file(const std::string& path, std::string_view text) {
    // In place: a container that shares it (network container:x) has this file bound.
    UniqueFd file = sys::open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    sys::write_all(file.get(), text, path);
}

/// "web:10.0.0.1", "web=10.0.0.1", "v6:[::1]"
void append_extra_host(std::string& text, std::string_view entry, const DaemonConfig& daemon) {
    size_t separator = entry.find('=');
    if (separator == std::string_view::npos) separator = entry.find(':');
    if (separator == std::string_view::npos) return;
    std::string_view name = entry.substr(0, separator), address = entry.substr(separator + 1);
    if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
    if (address != "host-gateway") {
        text += fmt::format("{}\t{}\n", address, name);
        return;
    }
    for (const std::string& gateway : daemon.network.host_gateway_ips)
        text += fmt::format("{}\t{}\n", gateway, name);
    if (daemon.network.host_gateway_ips.empty()) text += fmt::format("127.0.0.1\t{}\n", name);
}

bool is_loopback(std::string_view address) {
    return address.starts_with("127.") || address == "::1";
}

}  // namespace

std::string hosts_text(const ContainerRecord& record, const DaemonConfig& daemon,
                       const std::vector<std::string>& addresses, std::string_view host_file) {
    bool is_host = record.host_config.NetworkMode == "host";
    std::string text(is_host && !host_file.empty() ? host_file : kLocalHosts);
    if (!text.ends_with('\n')) text += '\n';
    for (const std::string& entry : spec::api::items(record.host_config.ExtraHosts))
        append_extra_host(text, entry, daemon);
    if (is_host) return text;
    const spec::api::ContainerConfig& config = record.config;
    std::string names = config.Domainname.empty()
                            ? config.Hostname
                            : fmt::format("{}.{} {}", config.Hostname, config.Domainname, config.Hostname);
    for (const std::string& address : addresses) text += fmt::format("{}\t{}\n", address, names);
    return text;
}

std::string resolv_conf_text(const ContainerRecord& record, const DaemonConfig& daemon,
                             std::string_view host_file) {
    const spec::api::HostConfig& host = record.host_config;
    auto chosen = [](const spec::api::OptionalStrings& own, const std::vector<std::string>& general) {
        return own && !own->empty() ? *own : general;
    };
    std::vector<std::string> servers = chosen(host.Dns, daemon.network.dns);
    std::vector<std::string> search = chosen(host.DnsSearch, daemon.network.dns_search);
    std::vector<std::string> options = chosen(host.DnsOptions, daemon.network.dns_options);
    bool is_host = host.NetworkMode == "host";
    if (is_host && servers.empty() && search.empty() && options.empty()) return std::string(host_file);

    std::vector<std::string> host_servers, host_search, host_options;
    for (std::string_view line : split(host_file, '\n')) {
        std::vector<std::string_view> words = split_fields(line);
        if (words.size() < 2) continue;
        if (words[0] == "nameserver" && (is_host || !is_loopback(words[1])))
            host_servers.emplace_back(words[1]);
        if (words[0] == "search" || words[0] == "domain") host_search.assign(words.begin() + 1, words.end());
        if (words[0] == "options") host_options.insert(host_options.end(), words.begin() + 1, words.end());
    }
    if (servers.empty()) servers = std::move(host_servers);
    if (search.empty()) search = std::move(host_search);
    if (options.empty()) options = std::move(host_options);
    std::erase(search, ".");  // --dns-search=. : none
    std::string text;
    for (const std::string& server : servers) text += fmt::format("nameserver {}\n", server);
    if (!search.empty()) text += fmt::format("search {}\n", join(search, " "));
    if (!options.empty()) text += fmt::format("options {}\n", join(options, " "));
    return text;
}

EtcFiles etc_files(const std::string& directory) {
    return {.hostname = directory + "/hostname",
            .hosts = directory + "/hosts",
            .resolv_conf = directory + "/resolv.conf"};
}

void write_etc_files(const EtcFiles& files, const ContainerRecord& record, const DaemonConfig& daemon) {
    bool is_host = record.host_config.NetworkMode == "host";
    std::string host_file = is_host ? sys::try_read_file("/etc/hosts").value_or("") : "";
    write_file(files.hostname, record.config.Hostname + "\n");
    write_file(files.hosts, hosts_text(record, daemon, {}, host_file));
    std::string resolvers = sys::try_read_file("/etc/resolv.conf").value_or("");
    write_file(files.resolv_conf, resolv_conf_text(record, daemon, resolvers));
}

}  // namespace berth::engine
