// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "async/stream.h"
#include "engine/containers/container.h"
#include "engine/streams/log_writer.h"

namespace berth::engine {

/// Publishes an event of a container with attributes beyond its own.
using ContainerEventPublisher =
    std::function<void(const Container&, std::string action, std::map<std::string, std::string> more)>;

/// As the parameters of POST /containers/{id}/attach.
struct AttachOptions {
    bool logs = false;    ///< what was logged before comes first
    bool stream = false;  ///< what comes from now on
    bool in = false, out = false, err = false;
    bool websocket = false;   ///< never framed, and the client can't end its sending alone
    std::string detach_keys;  ///< bytes, as parse_detach_keys() gives them
};

/// The service of clients at containers' streams. On the control context; what must be copied runs on the
/// stream context.
class Attachments {
  public:
    struct Dependencies {
        async::Context& control;
        async::Context& streams;
        ContainerEventPublisher publish;
    };
    explicit Attachments(Dependencies dependencies);

    /// Whether the container can be attached to now. Throws conflict where it is paused or restarts, in
    /// Docker's words. To be asked before the connection is hijacked. `reference`: as the user said it.
    static void check(const Container& container, std::string_view reference);

    /// Attaches a hijacked connection: at once where the container runs, else from its next start on, before
    /// its first byte. Returns when that is arranged; the session ends with the container's streams, with its
    /// client, by the detach keys. Publishes the events `attach` and `detach`.
    async::Task<void> attach(std::shared_ptr<Container> container, std::unique_ptr<async::Stream> client,
                             AttachOptions options);

    LogWriters& logs() { return logs_; }

  private:
    Dependencies dependencies_;
    LogWriters logs_;
};

}  // namespace berth::engine
