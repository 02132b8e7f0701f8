// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/command.h"
#include "spec/api/build.h"

/// The flags of `docker build` with and without buildx, which `berth build`, `berth image build`, `berth
/// builder build` and `docker-buildx build` all take.
namespace berth::cli {

std::span<const Flag> build_flags();

enum class ProgressMode { automatic, tty, plain, quiet, rawjson };

/// What stays at the client.
struct BuildPlan {
    spec::api::BuildRequest request;
    struct LocalContext {
        size_t index = 0;
        std::string folder;
        bool from_stdin = false;  ///< a tar, or a Dockerfile's text
    };
    std::vector<LocalContext> contexts;
    /// Of BuildRequest::outputs: "" is stdout (never a terminal), absent: nothing comes.
    std::vector<std::optional<std::string>> destinations;
    struct Secret {
        std::string id, file, variable;
    };
    std::vector<Secret> secrets;
    struct Agent {
        std::string id;
        std::vector<std::string> paths;  ///< sockets, or keys
    };
    std::vector<Agent> agents;
    std::string iid_file, metadata_file;
    ProgressMode progress = ProgressMode::automatic;
    bool push = false, load = false;
    std::string call;  ///< "build", "check", "outline", "targets"
};
/// Words in buildx's: "unable to prepare context: path \"x\" not found", `docker buildx build` requires 1
/// argument. SOURCE_DATE_EPOCH, HTTP_PROXY … of the environment and config.json's proxies become build args,
/// as with docker. Reads nothing but the Dockerfile and .dockerignore where they are outside of the context.
BuildPlan plan_build(Invocation& call);

/// "type=local,dest=out", "out" (a folder), "-" (a tar): CSV as buildx reads it.
spec::api::BuildExport parse_output(std::string_view text);
/// "id=x,src=f", "id=x,env=V", "type=file,…".
BuildPlan::Secret parse_secret(std::string_view text);
BuildPlan::Agent parse_ssh(std::string_view text);

}  // namespace berth::cli
