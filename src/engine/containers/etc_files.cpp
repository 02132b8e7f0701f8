// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/etc_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/json.h"
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
    // In place: containers have this file bound, and may read it at any time.
    UniqueFd file = sys::open_file(path, O_WRONLY | O_CREAT, 0644);
    sys::write_all(file.get(), text, path);
    sys::check(ftruncate(file.get(), static_cast<off_t>(text.size())), path);
}

/// FNV-1a, and the size. Whoever makes it collide only has his own file written over.
std::string mark_of(std::string_view text) {
    uint64_t hash = 0xcbf29ce484222325;
    for (char byte : text) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
    return fmt::format("{:016x}-{}", hash, text.size());
}

/// By the file's name: the mark of what was written.
using Written = std::map<std::string, std::string>;

std::string written_path(const EtcFiles& files) {
    return files.hosts.substr(0, files.hosts.rfind('/')) + "/etc.json";
}
Written read_written(const EtcFiles& files) {
    std::optional<std::string> text = sys::try_read_file(written_path(files));
    if (!text) return {};
    try {
        return json::decode<Written>(json::parse(*text));
    } catch (const Error&) {
        return {};  // cut short by a power failure
    }
}

enum class Present { absent, as_written, changed };

/// The container may have made any size of it: what is longer or shorter than what was written is not read.
Present look_at(const std::string& path, const std::string& mark) {
    std::optional<UniqueFd> file = sys::try_open_at(AT_FDCWD, path, O_RDONLY);
    if (!file) return Present::absent;
    struct stat status{};
    sys::check(fstat(file->get(), &status), path);
    auto size = static_cast<size_t>(status.st_size);
    if (!mark.ends_with(fmt::format("-{}", size))) return Present::changed;
    std::string text(size, '\0');
    ssize_t read = sys::retry([&] { return pread(file->get(), text.data(), size, 0); });
    return read == status.st_size && mark_of(text) == mark ? Present::as_written : Present::changed;
}

/// True where it was written.
bool write_unless_changed(const std::string& path, std::string_view text, Written& written) {
    std::string& mark = written[path.substr(path.rfind('/') + 1)];
    if (!mark.empty()) {
        Present present = look_at(path, mark);
        if (present == Present::changed) return false;
        if (present == Present::as_written && mark == mark_of(text)) return false;
    }
    write_file(path, text);
    mark = mark_of(text);
    return true;
}

/// "web:10.0.0.1", "web=10.0.0.1", "v6:[::1]"
void append_extra_host(std::string& text, std::string_view entry, const DaemonConfig& daemon,
                       const EtcNetworks& networks) {
    size_t separator = entry.find('=');
    if (separator == std::string_view::npos) separator = entry.find(':');
    if (separator == std::string_view::npos) return;
    std::string_view name = entry.substr(0, separator), address = entry.substr(separator + 1);
    if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
    if (address != "host-gateway") {
        text += fmt::format("{}\t{}\n", address, name);
        return;
    }
    const std::vector<std::string>& gateways =
        daemon.network.host_gateway_ips.empty() ? networks.host_gateways : daemon.network.host_gateway_ips;
    for (const std::string& gateway : gateways) text += fmt::format("{}\t{}\n", gateway, name);
    if (gateways.empty()) text += fmt::format("127.0.0.1\t{}\n", name);
}

bool is_loopback(std::string_view address) {
    return address.starts_with("127.") || address == "::1";
}

}  // namespace

std::string hosts_text(const ContainerRecord& record, const DaemonConfig& daemon, const EtcNetworks& networks,
                       std::string_view host_file) {
    bool is_host = record.host_config.NetworkMode == "host";
    std::string text(is_host && !host_file.empty() ? host_file : kLocalHosts);
    if (!text.ends_with('\n')) text += '\n';
    for (const std::string& entry : spec::api::items(record.host_config.ExtraHosts))
        append_extra_host(text, entry, daemon, networks);
    if (is_host) return text;
    for (const auto& [address, names] : networks.links) text += fmt::format("{}\t{}\n", address, names);
    const spec::api::ContainerConfig& config = record.config;
    std::string names = config.Domainname.empty()
                            ? config.Hostname
                            : fmt::format("{}.{} {}", config.Hostname, config.Domainname, config.Hostname);
    for (const std::string& address : networks.addresses) text += fmt::format("{}\t{}\n", address, names);
    return text;
}

std::string resolv_conf_text(const ContainerRecord& record, const DaemonConfig& daemon,
                             const EtcNetworks& networks, std::string_view host_file) {
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
    if (networks.asks_us) {
        servers = {"127.0.0.11"};
        // Names without a dot are containers' before they are anybody else's.
        bool has_dots = std::ranges::any_of(
            options, [](const std::string& option) { return option.starts_with("ndots:"); });
        if (!has_dots) options.emplace_back("ndots:0");
    }
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

void write_etc_files(const EtcFiles& files, const ContainerRecord& record, const DaemonConfig& daemon,
                     const EtcNetworks& networks) {
    bool is_host = record.host_config.NetworkMode == "host";
    std::string host_file = is_host ? sys::try_read_file("/etc/hosts").value_or("") : "";
    std::string resolvers = sys::try_read_file("/etc/resolv.conf").value_or("");
    Written written = read_written(files);
    bool is_new = write_unless_changed(files.hostname, record.config.Hostname + "\n", written);
    is_new |= write_unless_changed(files.hosts, hosts_text(record, daemon, networks, host_file), written);
    is_new |= write_unless_changed(files.resolv_conf, resolv_conf_text(record, daemon, networks, resolvers),
                                   written);
    if (is_new) write_file(written_path(files), json::print(json::encode(written)));
}

}  // namespace berth::engine
