// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "async/context.h"
#include "engine/containers/containers.h"
#include "spec/api/container_views.h"

namespace berth::engine {

/// What running containers use: those that somebody watches once a second, of all others the processor time
/// every 10 s, so that the first answer has a difference to show and comes at once. One pass over the
/// cgroups' files on the pool for all. Belongs to the control context.
class StatsSampler {
  public:
    /// `runtime_root`: where the shims keep the runtime's state, which names the containers' cgroups.
    StatsSampler(async::Context& control, Containers& containers, std::string runtime_root);
    ~StatsSampler();

    /// A sample of now, with the one before it as `precpu_stats` (nothing there for `one_shot`); for a
    /// container that doesn't run the skeleton that Docker sends.
    async::Task<spec::api::StatsResponse> once(std::string reference, bool one_shot);

    /// Samples of one container: the first at once, the others once a second. While it doesn't run they are
    /// skeletons; nothing once it is removed.
    class Watch {
      public:
        ~Watch();
        async::Task<std::optional<spec::api::StatsResponse>> next();

      private:
        friend class StatsSampler;
        struct State;
        explicit Watch(std::shared_ptr<State> state);
        std::shared_ptr<State> state_;
    };
    /// Throws as Containers::get.
    std::unique_ptr<Watch> watch(std::string reference);

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace berth::engine
