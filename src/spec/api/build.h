// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/describe/class.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "spec/api/types.h"

/// What a build is asked for, and what it tells: our own session's request and result (docs/builder.md), and
/// BuildKit's SolveStatus, which `--progress=rawjson` prints as it comes.
namespace berth::spec::api {

/// Where files come from. Exactly one of the members but `name`.
struct BuildContext {
    std::string name;  ///< "" is the main one; others are those of --build-context
    std::string
        local;        ///< a folder of the client's: its key for what is kept at the daemon (host, user, path)
    std::string url;  ///< git, http(s)
    std::string image;       ///< docker-image://x
    std::string oci_layout;  ///< a folder of the client's with an OCI layout: sent as `local`
    bool is_tar = false;     ///< what is sent is one tar: `berth build -`
};
BOOST_DESCRIBE_STRUCT(BuildContext, (), (name, local, url, image, oci_layout, is_tar))

/// "type=local,dest=x": what is the client's own (dest) stays with it.
struct BuildExport {
    std::string type;  ///< "image", "docker", "oci", "tar", "local", "registry", "cacheonly"
    StringMap attributes;
};
BOOST_DESCRIBE_STRUCT(BuildExport, (), (type, attributes))

struct BuildSecret {
    std::string id;
    std::string type;  ///< "file", "env": for messages alone; values come when a step asks
};
BOOST_DESCRIBE_STRUCT(BuildSecret, (), (id, type))

struct BuildLimits {
    int64_t memory = 0, memory_swap = 0, cpu_shares = 0, cpu_period = 0, cpu_quota = 0, shm_size = 0;
    std::string cpuset_cpus, cpuset_mems, cgroup_parent;
    Strings ulimits;  ///< "nofile=1024:2048"
};
BOOST_DESCRIBE_STRUCT(BuildLimits, (),
                      (memory, memory_swap, cpu_shares, cpu_period, cpu_quota, shm_size, cpuset_cpus,
                       cpuset_mems, cgroup_parent, ulimits))

/// POST /build's parameters and the session's first frame both become this.
struct BuildRequest {
    std::vector<BuildContext> contexts;     ///< the main one first
    std::string dockerfile = "Dockerfile";  ///< path within the context; or
    /// Its text: always for a local context, so that planning begins with the first frame.
    std::optional<std::string> dockerfile_text;
    std::optional<std::string> dockerignore_text;  ///< what the client has already applied, for the log
    std::string target;
    Strings tags;
    std::map<std::string, std::optional<std::string>>
        build_args;  ///< null: undefined at the client: left out
    StringMap labels, annotations;
    Strings platforms;
    bool no_cache = false, pull = false, check_only = false, quiet = false;
    Strings no_cache_filter;   ///< stages
    std::string network_mode;  ///< "", "default", "none", "host", "container:x", a network's name
    Strings extra_hosts;       ///< "name:ip", "name=ip"
    Strings allow;             ///< "network.host", "security.insecure"
    BuildLimits limits;
    std::vector<BuildSecret> secrets;
    Strings ssh;                       ///< ids
    std::vector<BuildExport> outputs;  ///< none: the image store
    std::vector<BuildExport> cache_from, cache_to;
    bool is_classic = false;  ///< from POST /build
};
BOOST_DESCRIBE_STRUCT(BuildRequest, (),
                      (contexts, dockerfile, dockerfile_text, dockerignore_text, target, tags, build_args,
                       labels, annotations, platforms, no_cache, pull, check_only, quiet, no_cache_filter,
                       network_mode, extra_hosts, allow, limits, secrets, ssh, outputs, cache_from, cache_to,
                       is_classic))

struct BuildResult {
    std::string image_id;  ///< "sha256:…"; "" without an image
    StringMap metadata;    ///< --metadata-file: "containerimage.digest", "containerimage.config.digest",
                           ///< "image.name"; values that begin with '{' are JSON
    int warnings = 0;
};
BOOST_DESCRIBE_STRUCT(BuildResult, (), (image_id, metadata, warnings))

// --- BuildKit's client/graph.go -------------------------------------------------------------------------

struct BuildVertex {
    std::string digest;
    Strings inputs;
    std::string name;  ///< "[2/8] RUN apt-get update"
    std::optional<std::string> started, completed;
    bool cached = false;
    std::string error;
};
BOOST_DESCRIBE_STRUCT(BuildVertex, (), (digest, inputs, name, started, completed, cached, error))
constexpr bool json_omit_empty(const BuildVertex*, std::string_view) {
    return true;
}

/// "transferring context: 28B", "sha256:… 1.2MB / 3MB": a line below its vertex.
struct BuildVertexStatus {
    std::string id, vertex, name;
    int64_t total = 0, current = 0;
    std::string timestamp;
    std::optional<std::string> started, completed;
};
BOOST_DESCRIBE_STRUCT(BuildVertexStatus, (),
                      (id, vertex, name, total, current, timestamp, started, completed))
constexpr bool json_omit_empty(const BuildVertexStatus*, std::string_view key) {
    return !json::is_one_of(key, "id", "current", "timestamp");
}

struct BuildVertexLog {
    std::string vertex;
    int stream = 1;
    std::string data;  ///< base64
    std::string timestamp;
};
BOOST_DESCRIBE_STRUCT(BuildVertexLog, (), (vertex, stream, data, timestamp))

struct BuildWarningRange {
    struct Position {
        int line = 0, character = 0;
    };
    Position start, end;
};
BOOST_DESCRIBE_STRUCT(BuildWarningRange::Position, (), (line, character))
BOOST_DESCRIBE_STRUCT(BuildWarningRange, (), (start, end))

struct BuildSourceInfo {
    std::string filename;
    std::string data;  ///< base64 of the whole file: clients show the excerpt
};
BOOST_DESCRIBE_STRUCT(BuildSourceInfo, (), (filename, data))

struct BuildVertexWarning {
    std::string vertex;
    int level = 1;
    std::string short_;  ///< wire: "short"; base64, as `detail`
    Strings detail;
    std::string url;
    std::optional<BuildSourceInfo> sourceInfo;
    std::vector<BuildWarningRange> range;
};
BOOST_DESCRIBE_STRUCT(BuildVertexWarning, (), (vertex, level, short_, detail, url, sourceInfo, range))
constexpr std::string_view json_key(const BuildVertexWarning*, std::string_view member) {
    return member == "short_" ? "short" : member;
}
constexpr bool json_omit_empty(const BuildVertexWarning*, std::string_view) {
    return true;
}

struct SolveStatus {
    std::vector<BuildVertex> vertexes;
    std::vector<BuildVertexStatus> statuses;
    std::vector<BuildVertexLog> logs;
    std::vector<BuildVertexWarning> warnings;
};
BOOST_DESCRIBE_STRUCT(SolveStatus, (), (vertexes, statuses, logs, warnings))
constexpr bool json_omit_empty(const SolveStatus*, std::string_view) {
    return true;
}

/// One line, without its end.
std::string encode_solve_status(const SolveStatus& status);

}  // namespace berth::spec::api
