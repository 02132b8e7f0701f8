// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include "base/strings.h"
#include "cli/system/doctor.h"
#include "client/find_program.h"
#include "client/json_path.h"
#include "sys/file.h"

namespace berth::cli::doctor {
namespace {

using State = Finding::State;

/// What mends the daemon's own warnings, which are in Docker's words.
std::string warning_mend(std::string_view warning) {
    constexpr std::string_view kUnified =
        "add systemd.unified_cgroup_hierarchy=1 to the kernel's command line and reboot";
    constexpr std::pair<std::string_view, std::string_view> kMends[] = {
        {"No swap limit", "add swapaccount=1 to the kernel's command line and reboot"},
        {"No memory limit", "add cgroup_enable=memory to the kernel's command line and reboot"},
        {"bridge-nf-call", "modprobe br_netfilter, where containers of one bridge are to be filtered"},
        {"IPv4 forwarding is disabled", "sysctl -w net.ipv4.ip_forward=1"},
        {"without encryption", "start the daemon with --tlsverify, or without -H tcp://"},
        {"without TLS client verification", "start the daemon with --tlsverify"},
        {"seccomp profile", "start the daemon without --seccomp-profile"},
        {"blkio", kUnified},
        {"cpu", kUnified},
        {"cgroup", kUnified},
    };
    for (auto [part, mend] : kMends)
        if (warning.find(part) != std::string_view::npos) return std::string(mend);
    return "";
}

/// The folder of this program has the other one, with which the daemon starts containers.
Finding shim() {
    char path[4096];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path);
    if (size <= 0) return {State::ok, "programs", "/proc does not tell where this program is"};
    std::string own(path, static_cast<size_t>(size));
    std::string folder = own.substr(0, own.rfind('/'));
    const char* given = getenv("BERTH_SHIM");
    std::string shim = given && *given ? given : folder + "/berth-shim";
    if (access(shim.c_str(), X_OK) == 0) return {State::ok, "programs", shim};
    return {State::problem, "programs", shim + " is missing: no container can start",
            fmt::format("put berth-shim of the same version into {}", folder)};
}

void describe(Findings& findings, const Daemon& daemon, const client::Endpoint& endpoint) {
    std::string version = client::text_at(daemon.info, "ServerVersion");
    bool is_ours = client::text_at(daemon.info, "InitBinary").find("berth") != std::string::npos ||
                   client::text_at(daemon.info, "Runtimes.runc.path") == "berth-shim";
    if (is_ours && version != BERTH_VERSION)
        findings.push_back(
            {State::warning, "daemon",
             fmt::format("{} is version {}, this program {}", endpoint.host, version, BERTH_VERSION),
             fmt::format("{}systemctl restart berth.service", sudo())});
    else
        findings.push_back(
            {State::ok, "daemon",
             fmt::format("{} {} at {}, {} containers, {} of them running", is_ours ? "Berth" : "Docker",
                         version, endpoint.host, client::number_at(daemon.info, "Containers"),
                         client::number_at(daemon.info, "ContainersRunning"))});
    for (const std::string& warning : client::texts_at(daemon.info, "Warnings")) {
        std::string_view text = warning;
        constexpr std::string_view kHead = "WARNING: ";
        if (text.starts_with(kHead)) text.remove_prefix(kHead.size());
        text = text.substr(0, text.find('\n'));
        findings.push_back({State::warning, "daemon", std::string(text), warning_mend(text)});
    }
}

}  // namespace

Findings check_daemon(Session& session, Daemon& daemon) {
    Findings findings;
    const client::Endpoint* endpoint = nullptr;
    try {
        endpoint = &session.endpoint();
        daemon.is_here = endpoint->kind == client::Endpoint::Kind::unix_socket;
        daemon.info = session.call({.path = "/info"});
        daemon.is_reachable = true;
        if (std::string root = client::text_at(daemon.info, "DockerRootDir"); !root.empty())
            daemon.data_root = root;
        describe(findings, daemon, *endpoint);
        json::Value bridge = session.call({.path = "/networks/bridge"});
        const json::Value* options = client::find_at(bridge, "Options");
        // The option's name has dots, which no path of keys can have.
        if (options && options->is_object())
            if (const json::Value* name = options->get_object().if_contains("com.docker.network.bridge.name");
                name && name->is_string())
                daemon.bridge = name->get_string();
    } catch (const Error& error) {
        if (daemon.is_reachable) return findings;  // a daemon may have no default bridge
        std::string mend = endpoint ? access_mend(*endpoint) : "berth context use default";
        if (mend.empty()) mend = start_mend(*endpoint);
        std::string text = error.what();
        findings.push_back({State::problem, "daemon", text.substr(0, text.find('\n')), mend});
    }
    if (daemon.is_here && !daemon.is_reachable) findings.push_back(shim());
    return findings;
}

Findings check_client(Session& session) {
    Findings findings;
    std::string path;
    try {
        const client::ConfigFile& config = session.config();
        path = config.path();
        std::set<std::string> helpers;
        if (auto store = config.text("credsStore"); store && !store->empty()) helpers.insert(*store);
        for (const std::string& host : config.hosts())
            if (auto helper = config.helper_for(host)) helpers.insert(*helper);
        for (const std::string& helper : helpers) {
            std::string program = "docker-credential-" + helper;
            if (client::find_program(program)) continue;
            findings.push_back({State::problem, "logins",
                                fmt::format("{} asks {} for passwords, which is not there", path, program),
                                fmt::format("install {}, or take it out of {}", program, path)});
        }
    } catch (const Error& error) {
        return {{State::problem, "logins", error.what(), "mend the file, or log in anew: berth login"}};
    }
    if (!findings.empty()) return findings;
    return {{State::ok, "logins", path}};
}

}  // namespace berth::cli::doctor
