// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "async/stream.h"
#include "build/cache/cache.h"
#include "build/progress/progress.h"
#include "engine/config/daemon_config.h"
#include "engine/images/images.h"
#include "engine/networks/sandboxes.h"
#include "spec/api/build.h"
#include "spec/api/filters.h"
#include "spec/api/system_views.h"
#include "spec/credentials.h"

/// The service of builds: what api/ calls. It has the Builder, its Cache, and the StepHost (step_host.cpp,
/// run_step.cpp, copy_step.cpp, layer_step.cpp) which carries steps out with the engine's own parts. A step
/// is no container: no record, no name, not in `ps`, no event; it has a container's sandbox, limits, seccomp
/// profile and shim. docs/builder.md has a step's life, and what kill -9 leaves.
namespace berth::engine {

struct HostFacts;
class ShimProgram;

class Builds {
  public:
    struct Dependencies {
        async::Context& control;
        async::Context& streams;
        const DaemonConfig& config;
        Events& events;
        Images& images;
        Networks& networks;
        Sandboxes& sandboxes;
        const HostFacts& host;
        const ShimProgram& shim_program;
    };
    explicit Builds(Dependencies dependencies);
    ~Builds();

    /// Before the API is served: steps of a daemon that was killed (<exec-root>/b/<id>) are ended and removed
    /// with their mounts; their snapshots go with Containers::recover(), which runs first.
    async::Task<void> recover();
    async::Task<void> shutdown();

    /// POST /build, to be awaited on the stream context: reads `body` (a tar; none with a remote context) to
    /// its end, then builds. Errors before the first event are the request's. `sink` is called on the stream
    /// context.
    async::Task<spec::api::BuildResult> build_classic(spec::api::BuildRequest request,
                                                      std::map<std::string, spec::Credentials> credentials,
                                                      BodyReader body,
                                                      std::shared_ptr<build::ProgressSink> sink);
    /// POST /berth/build: our CLI's connection, on the stream context.
    async::Task<void> serve(std::unique_ptr<async::Stream> connection);

    /// As /system/df has them; the largest first.
    async::Task<std::vector<spec::api::BuildCache>> cache();
    /// Filters: until, id, parent, type, description, inuse, shared, private. conflict while another one
    /// runs.
    async::Task<spec::api::BuildCachePruneReport> prune(build::PruneOptions options,
                                                        spec::api::Filters filters);

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace berth::engine
