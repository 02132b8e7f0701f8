// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "async/context.h"
#include "build/cache/cache.h"
#include "build/context/session.h"
#include "build/context/sources.h"
#include "build/exec/step_host.h"
#include "build/progress/progress.h"
#include "spec/api/build.h"

/// The builder: one for a daemon, on the control thread. A build is a coroutine; a step that several builds
/// (or stages) need at the same time is one *flight*:
///
///   vertex   waiting ──inputs solved──► keyed ──hit──► cached
///                                         │ miss
///                                         ▼
///                          flight: queued ──slot──► running ──► done, in the cache
///                                     └── last who waits has gone ──► cancelled
///                                                          └──► failed: told to all who wait; not remembered
///
///   - A vertex begins when its inputs are done; all that can run at the same time do. Sources and cache
///     lookups take no slot; RUN, COPY and ADD take one of `max_parallel`.
///   - Keys: quick_key(), a lookup; else contents of the sources, content_key(), a lookup (and the quick key
///     is put beside it); else a flight under the content key, looked up once more when it begins.
///   - Sharing::locked cache mounts are waited for in order of arrival, before the slot is taken.
///   - One failure ends the build: others that are under way are cancelled, unless somebody else waits.
///   - A vertex is asked for nothing where no path from the target needs it; where all results on the way are
///     cached no layer is touched, and one that is only remote is fetched by an export that needs it alone.
///   - A full disk (ENOSPC) trims the cache once and runs the step again.
namespace berth::build {

struct BuilderOptions {
    size_t max_parallel = 0;  ///< 0: the processors, 4 at least
    std::string host_name = "buildkitsandbox";
};

/// Beside the request: where its parts come from.
struct BuildInput {
    spec::api::BuildRequest request;
    std::shared_ptr<Session> session;        ///< null: POST /build
    FileTreePointer main_context;            ///< of POST /build's body
    std::shared_ptr<ProgressSink> progress;  ///< borrowed until the build has ended
    registry::CredentialSource credentials;
};

class Builder {
  public:
    /// All outlive it.
    Builder(async::Context& control, async::Context& streams, StepHost& host, Cache& cache,
            BuilderOptions options);
    /// No build may be under way.
    ~Builder();

    /// From the request to its outputs. Cancelled with its caller: returns when everything of it has ended.
    /// Throws LocatedError where a place in the Dockerfile is to blame, in BuildKit's words without "failed
    /// to solve: ", which is the CLI's. With check_only nothing runs and the warnings are the result.
    async::Task<spec::api::BuildResult> build(BuildInput input);

    /// The daemon ends: no new builds (unavailable), those under way are cancelled and waited for.
    async::Task<void> shutdown();
    size_t under_way() const;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace berth::build
