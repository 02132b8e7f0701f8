// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/context.h"
#include "build/cache/cache.h"
#include "build/context/sources.h"
#include "build/plan/plan.h"
#include "build/progress/progress.h"
#include "registry/client/client.h"
#include "spec/api/build.h"
#include "store/images.h"

/// What the builder needs of the engine to carry out steps. engine/build implements it with the parts that
/// containers are made of; tests of the solver have one that makes layers out of nothing. Control thread;
/// what blocks runs on the stream context's pool. Every function may be cancelled: it returns when nothing of
/// it is left (process, mounts, snapshot, sandbox), within seconds.
namespace berth::build {

/// A file system made by a step: a chain of committed layers.
struct StepResult {
    std::string chain;              ///< "" is empty
    std::optional<Digest> diff_id;  ///< none: the step changed nothing, and chain is the parent's
    uint64_t size = 0;              ///< of the new layer, on disk
};

/// The file system of a chain, mounted read-only in no namespace; the lease keeps its layers.
class TreeView {
  public:
    virtual ~TreeView() = default;
    virtual int root() const = 0;
};

/// What a step has from its build.
struct StepBuild {
    const spec::api::BuildRequest& request;
    SecretSource secret;
    /// Nothing: no ssh of that id.
    std::function<async::Task<std::optional<std::function<void()>>>(std::string id, UniqueFd listener)> ssh;
};

/// One source of a COPY, or of a bind mount, whose files are all there.
struct StepInput {
    FileTreePointer tree;
    std::string chain;  ///< of a stage or an image: for mounts; "": `tree` alone
};

/// A RUN whose process did not end with 0.
class ProcessError : public LocatedError {
  public:
    ProcessError(std::string message, SourcePointer source, Location where, std::string command,
                 int exit_code)
        : LocatedError(ErrorKind::invalid_argument, std::move(message), std::move(source), where),
          command_(std::move(command)),
          exit_code_(exit_code) {}
    const std::string& command() const { return command_; }  ///< "/bin/sh -c make"
    int exit_code() const { return exit_code_; }

  private:
    std::string command_;
    int exit_code_;
};

class StepHost {
  public:
    virtual ~StepHost() = default;

    /// By the store where it is there (and `pull` is off), else pulled; layers are protected by the lease.
    /// The vertex "load metadata for x" is `progress`. Errors in BuildKit's words: "x: failed to resolve
    /// source metadata for docker.io/library/x:latest: …: not found", or what the registry said.
    struct BaseImage {
        KnownImage known;
        std::string chain;
        std::vector<store::LayerBlob> layers;
        std::optional<store::Image> image;
    };
    virtual async::Task<BaseImage> resolve(store::Lease& lease, ImageSource source, bool pull,
                                           registry::CredentialSource credentials,
                                           VertexProgress progress) = 0;
    virtual async::Task<std::shared_ptr<TreeView>> view(std::string chain) = 0;

    /// RUN. ProcessError in BuildKit's words: "process \"/bin/sh -c x\" did not complete successfully: exit
    /// code: 1"; invalid_argument where the program can't be executed.
    virtual async::Task<StepResult> run(store::Lease& lease, const Vertex& vertex, std::string parent,
                                        std::vector<StepInput> mounts, const StepBuild& build,
                                        std::vector<std::shared_ptr<Cache::Use>> caches,
                                        VertexProgress progress) = 0;
    /// COPY, ADD: `sources` in the order of CopyStep::from.
    virtual async::Task<StepResult> copy(store::Lease& lease, const Vertex& vertex, std::string parent,
                                         std::vector<StepInput> sources, VertexProgress progress) = 0;
    /// WORKDIR.
    virtual async::Task<StepResult> make_folder(store::Lease& lease, const Vertex& vertex,
                                                std::string parent) = 0;

    virtual registry::Client& registry() = 0;  ///< belongs to the stream context
    virtual store::Store& store() = 0;
    /// Unpacked layers go to disk in the background (Images::State::sync_soon).
    virtual void sync_soon() = 0;
    /// `image` events: "tag", and "build" as dockerd's builder ("builder"/"prune").
    virtual void publish(std::string type, std::string action, std::string id) = 0;
};

}  // namespace berth::build
