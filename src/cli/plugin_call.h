// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace berth::cli {

class Session;

/// Where docker and Berth look for plugins, in this order: "cliPluginsExtraDirs" of config.json, cli-plugins
/// beside it, the system's.
std::vector<std::string> plugin_folders(Session& session);

/// Replaces this program by the plugin for a command that it does not have: `docker-WORD` in the first of
/// `folders` that has one. The plugin gets `words`, all that we were called with, and what we were called as
/// in DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND, by which it asks us back. Returns where there is none, or the
/// program does not answer as plugins do. To be called while there is one thread. Throws where it can't be
/// executed.
void call_plugin(std::string_view word, std::span<const std::string> words,
                 const std::vector<std::string>& folders);

}  // namespace berth::cli
