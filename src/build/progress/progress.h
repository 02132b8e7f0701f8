// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "build/dockerfile/source.h"
#include "spec/api/build.h"

/// What a build tells: one stream of events for each client, in the order of their happening, on the control
/// thread. A step that two builds wait for tells both.
///
///   vertex: announced -> started -> (status | log | warning)* -> completed | cached | failed | cancelled
namespace berth::build {

/// Takes events; must not block and not throw: a session queues (bounded: logs of a slow client beyond 8 MiB
/// are dropped with a line that says so), the classic stream orders by step.
class ProgressSink {
  public:
    virtual ~ProgressSink() = default;
    virtual void take(const spec::api::SolveStatus& status) = 0;
    /// Once, before the first vertex of the plan: the Dockerfile's steps in order, those too that are no
    /// vertex, for the classic stream.
    struct PlannedStep {
        std::string text;    ///< "RUN make"
        std::string vertex;  ///< its digest; "": ENV, CMD …
    };
    virtual void planned(const std::vector<PlannedStep>&) {}
};

/// A vertex's side. Copies share. After done(), cached() or failed() nothing may follow.
class VertexProgress {
  public:
    const std::string& digest() const;
    void started();
    void cached();
    void done();
    /// `message`: BuildKit's one-line error; "context canceled" for a cancelled one.
    void failed(std::string_view message);
    /// Of a step's output; secrets in it are masked before (exec/). Any bytes.
    void log(int stream, std::string_view data);
    void warn(const SourcePointer& source, const Warning& warning);
    /// A line below it; a repeated `id` changes it. total 0: unknown. At most ten times a second and the
    /// last.
    void status(const std::string& id, uint64_t current, uint64_t total, bool is_completed);

  private:
    friend class Progress;
    struct State;
    std::shared_ptr<State> state_;
};

/// One build's. Belongs to the control thread.
class Progress {
  public:
    explicit Progress(std::shared_ptr<ProgressSink> sink);
    ~Progress();
    /// `digest`: of the vertex's definition and place in the plan: known before anything runs, one for each
    /// vertex of a build. No cache key.
    VertexProgress vertex(std::string digest, std::string name, std::vector<std::string> inputs);
    /// A step that another build has under way: what it has told so far (the last 64 KiB of logs) comes at
    /// once, the rest as it happens.
    void follow(VertexProgress other, VertexProgress own);

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace berth::build
