// SPDX-License-Identifier: Apache-2.0
#include "cli/plugin_call.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/json.h"
#include "cli/plugin.h"
#include "cli/session.h"
#include "client/engine.h"
#include "sys/file.h"
#include "sys/process.h"

namespace berth::cli {

namespace {

constexpr std::array<std::string_view, 4> kSystemFolders = {
    "/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins", "/usr/libexec/docker/cli-plugins"};
constexpr const char* kCaller = "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND";

bool is_plugin_name(std::string_view word) {
    auto is_small = [](char c) { return c >= 'a' && c <= 'z'; };
    return !word.empty() && is_small(word[0]) &&
           std::ranges::all_of(word, [&](char c) { return is_small(c) || (c >= '0' && c <= '9'); });
}

/// What this process was called as.
std::string own_name() {
    std::string words = sys::read_file("/proc/self/cmdline");
    return words.substr(0, words.find('\0'));
}

/// What the program at `path` says of itself; "" where it does not run.
std::string metadata_of(const std::string& path) {
    int ends[2];
    sys::check(pipe2(ends, O_CLOEXEC), "pipe2");
    UniqueFd out(ends[0]), in(ends[1]);
    UniqueFd nowhere(sys::check(open("/dev/null", O_WRONLY | O_CLOEXEC), "open /dev/null"));
    sys::SpawnOptions options;
    options.path = path;
    options.argv = {path, "docker-cli-plugin-metadata"};
    for (char** variable = environ; *variable; ++variable) options.env.emplace_back(*variable);
    options.stdout_fd = in.get();
    options.stderr_fd = nowhere.get();
    try {
        sys::Child child = sys::spawn(options);
        in.reset();
        std::string text = sys::read_all(out.get(), path);
        return child.wait().code == 0 ? text : "";
    } catch (const Error&) {
        return "";
    }
}

bool is_plugin(const std::string& path) {
    try {
        json::Value about = json::parse(metadata_of(path));
        return client::text_at(about, "SchemaVersion").starts_with("0.") &&
               !client::text_at(about, "Vendor").empty();
    } catch (const Error&) {
        return false;
    }
}

}  // namespace

std::vector<std::string> plugin_folders(Session& session) {
    std::vector<std::string> folders = session.config().texts("cliPluginsExtraDirs");
    folders.push_back(session.config_folder() + "/cli-plugins");
    folders.insert(folders.end(), kSystemFolders.begin(), kSystemFolders.end());
    return folders;
}

void call_plugin(std::string_view word, std::span<const std::string> words,
                 const std::vector<std::string>& folders) {
    std::string name = "docker-" + std::string(word);
    // Those that we are ourselves would call us again.
    if (!is_plugin_name(word) || !plugin_word(name).empty()) return;
    auto has_it = [&](const std::string& folder) { return access((folder + '/' + name).c_str(), F_OK) == 0; };
    auto folder = std::ranges::find_if(folders, has_it);
    if (folder == folders.end()) return;
    std::string path = *folder + '/' + name;
    setenv(kCaller, own_name().c_str(), 1);
    if (!is_plugin(path)) return;
    std::vector<std::string> kept(words.begin(), words.end());
    std::vector<char*> argv{path.data()};
    for (std::string& each : kept) argv.push_back(each.data());
    argv.push_back(nullptr);
    signal(SIGPIPE, SIG_DFL);  // what is ignored is inherited
    execv(path.c_str(), argv.data());
    throw errno_error(errno, "exec " + path);
}

}  // namespace berth::cli
