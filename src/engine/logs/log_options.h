// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/logs/reader.h"
#include "shim/options.h"

/// Log drivers and their options (--log-driver, --log-opt), as dockerd takes them. Errors are
/// invalid_argument with dockerd's texts.
namespace berth::engine {

using LogOptionMap = std::map<std::string, std::string>;

/// What tags and attributes of a log are made from.
struct LogContainer {
    std::string id;
    std::string name;        ///< with or without the slash in front
    std::string image_id;    ///< sha256:…
    std::string image_name;  ///< as the container was created from
    std::string daemon_name = "docker";
    std::string created;  ///< RFC 3339
    std::string entrypoint;
    std::vector<std::string> args;
    std::vector<std::string> env;  ///< NAME=value
    std::map<std::string, std::string> labels;
};

/// In the order of `docker info`.
const std::vector<std::string>& log_drivers();
/// For `docker create` and daemon.json: "error looking up logging plugin x: plugin "x" not found", "unknown
/// log opt 'x' for json-file log driver", …
void validate_log_options(const std::string& driver, const LogOptionMap& options);

/// Whether the daemon sends the log on (make_forwarder()).
bool is_forwarded(const std::string& driver);
/// Whether `docker logs` works; otherwise it answers "configured logging driver does not support reading".
bool is_readable(const std::string& driver, const LogOptionMap& options);

/// The tag: option `tag`, else `fallback`, a Go template such as "{{.Name}}/{{.ID}}".
std::string log_tag(const LogOptionMap& options, const LogContainer& container, const std::string& fallback);
/// What `labels`, `labels-regex`, `env`, `env-regex` choose. Regular expressions are POSIX extended ones.
/// `rename`: applied to each key; may be empty.
std::map<std::string, std::string> log_attributes(const LogOptionMap& options, const LogContainer& container,
                                                  const std::function<std::string(std::string)>& rename = {});

/// Where and how the shim writes the log, for shim.json; and where a reader finds it. `folder` is the
/// container's own in the data root. Defaults: 5 files of 20 MB, compressed; who chooses max-size alone gets
/// one file of that size, as with dockerd; max-size=-1 is no limit. Forwarded logs are kept as `local`, in
/// the size of Docker's cache-… options. For the container's start: "max-size must be a positive number", …
struct LogPlan {
    shim::LogSettings settings;
    LogLocation location;
    std::string inspect_path;  ///< LogPath of `docker inspect`: only json-file has one
};
LogPlan plan_log(const std::string& driver, const LogOptionMap& options, const LogContainer& container,
                 const std::string& folder);

}  // namespace berth::engine
