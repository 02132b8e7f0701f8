// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/digest.h"
#include "build/dockerfile/dockerfile.h"
#include "spec/api/build.h"
#include "spec/image.h"
#include "spec/platform.h"

/// From a Dockerfile, arguments, a target and a platform to a graph of steps. Pure: nothing is read, nothing
/// is run, the same input gives the same plan. Values of instructions are expanded here and nowhere else.
///
/// What a base image says (its environment, ONBUILD) decides how its stage is expanded, so that planning is
/// repeated: make_plan() gives what it has to know first (Needs), the solver finds all of that at the same
/// time, and asks again with it.
namespace berth::build {

using VertexId = uint32_t;  ///< index into Plan::vertices; an input's is smaller than its user's

struct ImageSource {        ///< FROM x, --from=x, docker-image://x
    std::string reference;  ///< familiar, with tag or digest
    spec::Platform platform;
};
struct ScratchSource {};
struct ContextSource {  ///< a named or the main context; an index into BuildRequest::contexts
    size_t context = 0;
};
struct HttpSource {
    std::string url;
    std::optional<Digest> checksum;
    std::string name;  ///< of the file, from the URL's path
};
struct GitSource {
    std::string url, reference, subfolder;
    bool keep_git_dir = false;
    std::string checksum;  ///< a commit, or its beginning
};
/// Texts of heredocs: COPY <<EOF /x
struct InlineSource {
    std::vector<std::pair<std::string, std::string>> files;  ///< name, content
};

struct Owner {
    std::string user, group;  ///< names or numbers; looked up in the destination's /etc/passwd by the step
};
/// COPY, ADD. Inputs: the file system below, then sources.
struct CopyStep {
    struct From {
        VertexId source = 0;
        std::string path;     ///< clean, absolute in the source, with wildcards
        bool unpack = false;  ///< ADD: an archive is unpacked
    };
    std::vector<From> from;
    std::string destination;  ///< clean, absolute; a trailing "/" says a folder
    bool destination_is_folder = false, link = false, parents = false;
    std::optional<Owner> owner;
    std::string mode;  ///< "0644", "u=rwX,go=rX"; "": kept
    std::vector<std::string> exclude;
    std::optional<int64_t> epoch;
};
struct MountStep {
    RunMount::Type type = RunMount::Type::bind;
    std::optional<VertexId> from;  ///< bind; cache: what a new one begins with
    std::string source, target, id, env;
    bool read_only = true, required = false;
    RunMount::Sharing sharing = RunMount::Sharing::shared;
    uint32_t mode = 0755, uid = 0, gid = 0;
    uint64_t size = 0;
};
/// RUN. Inputs: the file system below, then those of mounts.
struct RunStep {
    std::vector<std::string> arguments;    ///< with the shell
    std::vector<std::string> environment;  ///< ENV, ARGs in scope, over PATH
    /// Of `environment`: ARGs that are predefined proxies: given to the step, in no key, no history.
    std::vector<std::string> secret_environment;
    std::vector<std::pair<std::string, std::string>> files;  ///< heredocs that go in as files
    std::string folder, user;
    std::vector<MountStep> mounts;
    std::string network;  ///< "default", "none", "host"
    bool insecure = false;
    std::string host_name;
    std::vector<std::string> extra_hosts;
    std::optional<int64_t> epoch;
};
/// WORKDIR where the folder may be missing.
struct FolderStep {
    std::string path;
    std::optional<Owner> owner;
    std::optional<int64_t> epoch;
};

struct Vertex {
    std::variant<ImageSource, ScratchSource, ContextSource, HttpSource, GitSource, InlineSource, CopyStep,
                 RunStep, FolderStep>
        what;
    /// Input 0 is the file system that the step changes; none for sources.
    std::vector<VertexId> inputs;
    spec::Platform platform;
    std::string name;  ///< "[build 2/8] RUN make"; "[internal] load build context"
    bool no_cache = false;
    SourcePointer source;  ///< null: not of a file
    Location where;
    /// The classic builder's numbering: 0 is none.
    int classic_step = 0;
};

/// An entry of the image's history, in order, and what of the plan made it.
struct PlannedHistory {
    std::string created_by;  ///< "RUN /bin/sh -c make # buildkit"
    std::string comment = "buildkit.dockerfile.v0";
    std::optional<VertexId> vertex;  ///< none: an empty layer
    std::string classic_text;        ///< "Step 3/9 : RUN make" without the number; steps of a classic stream
};

/// One image: what the target is for one platform.
struct PlannedImage {
    spec::Platform platform;
    VertexId top = 0;
    spec::ImageConfig config;  ///< complete but for created, rootfs and the steps' history (base's is in it)
    std::vector<PlannedHistory> history;
};
struct Plan {
    std::vector<Vertex> vertices;      ///< only those that the target needs
    std::vector<PlannedImage> images;  ///< by platform, as asked
    std::vector<Warning> warnings;     ///< lint()'s, and those that depend on values
    int classic_steps = 0;
    /// What of a context's tree is looked at, by context: to ask for digests early.
    std::map<size_t, std::vector<std::string>> context_paths;
    std::optional<int64_t> epoch;  ///< SOURCE_DATE_EPOCH, s
};

/// What a base image says. `chain_ids` follow from its diff ids.
struct KnownImage {
    spec::ImageConfig config;
    Digest digest;  ///< its manifest's, or config's where it has none: for the name "FROM x@sha256:…"
};
struct Needs {
    std::vector<ImageSource> images;
};
struct PlanInput {
    const Dockerfile& dockerfile;
    const spec::api::BuildRequest& request;
    spec::Platform build_platform;
    /// By reference and platform (text): what was found so far.
    std::map<std::pair<std::string, std::string>, KnownImage> images;
    /// "berth": values of the args that every build has (BUILDKIT_* are heeded as BuildKit does:
    /// BUILDKIT_CONTEXT_KEEP_GIT_DIR, BUILDKIT_MULTI_PLATFORM, BUILDKIT_SYNTAX).
    std::string host_name = "buildkitsandbox";
};
/// LocatedError: "target stage \"x\" could not be found", "failed to parse platform", "circular dependency
/// detected on stage: x", a variable's error, "invalid reference format", "base name (${X}) should not be
/// blank" … invalid_argument where network.host or security.insecure are not allowed.
std::variant<Plan, Needs> make_plan(const PlanInput& input);

/// `--call outline|targets` and the completion of --target: names, descriptions, ARGs with defaults.
struct StageOutline {
    std::string name, base, platform, description;
    std::vector<KeyValue> arguments;
};
std::vector<StageOutline> outline(const Dockerfile& dockerfile);

}  // namespace berth::build
