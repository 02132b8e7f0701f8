// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "async/context.h"
#include "async/stream.h"
#include "build/context/sources.h"
#include "build/progress/progress.h"
#include "context/frames.h"
#include "registry/client/client.h"
#include "spec/api/build.h"

/// The daemon's end of a build's connection (context/frames.h). It lives on the stream context and shares
/// nothing with the solver: whatever the solver asks for is a coroutine there, run by async::run_on.
///
///   reading:  frames -> FileTrees of contexts, answers to secrets, ssh data, cancel. Where 4 MiB wait for a
///             slow disk it stops reading
///   writing:  one queue, in order; status frames are put together when the client is slow
///   end:      the connection's end, `cancel`, an error of the protocol: `gone` is set, everything that waits
///             ends with unavailable "the client has gone", and the build is cancelled
namespace berth::build {

class Session {
  public:
    virtual ~Session() = default;
    virtual const spec::api::BuildRequest& request() const = 0;
    /// Of BuildRequest::contexts; null for those that are not the client's. For the control thread.
    virtual FileTreePointer context(size_t index) = 0;
    /// Nothing: the client has none of that id.
    virtual async::Task<std::optional<std::string>> secret(std::string id) = 0;
    /// Asks the client, once for each host; called on the pool, where it waits.
    virtual registry::CredentialSource credentials() = 0;
    /// Serves a listening unix socket until `stop` is called: each connection becomes a channel to the
    /// client's agent. At most 64 at a time.
    virtual async::Task<std::function<void()>> serve_ssh(std::string id, UniqueFd listener) = 0;
    /// For type=local, tar, oci, docker with a destination: what is written goes to the client, with credit.
    /// `is_folder`: a tar that the client unpacks. Blocking, on the pool; finish() waits for the client's
    /// word.
    class Output : public sys::ByteSink {
      public:
        virtual void finish() = 0;
    };
    virtual std::unique_ptr<Output> output(size_t index, bool is_folder) = 0;
    virtual std::shared_ptr<ProgressSink> progress() = 0;
};

/// Reads the request, makes the session, runs `build` on `control` with it and sends what it gives or throws
/// (LocatedError: with its place). Awaited on the stream context; returns when the last frame is sent or the
/// client has gone and the build has ended.
async::Task<void> serve_session(
    async::Context& control, async::Context& streams, std::unique_ptr<async::Stream> connection, Cache& cache,
    std::function<async::Task<spec::api::BuildResult>(std::shared_ptr<Session>)> build);

}  // namespace berth::build
