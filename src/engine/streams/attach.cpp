// SPDX-License-Identifier: Apache-2.0
#include "engine/streams/attach.h"

#include "base/error.h"
#include "base/log.h"
#include "engine/streams/client_streams.h"

namespace berth::engine {

namespace {

/// A client that waits for its container's shim. Owned by the container until it is bound.
class AttachSession final : public StreamSession, public std::enable_shared_from_this<AttachSession> {
  public:
    AttachSession(std::shared_ptr<ClientStreams> client, LogWriter output)
        : client_(std::move(client)), output_(std::move(output)) {}
    ~AttachSession() override { AttachSession::abandon(); }

    async::Task<void> bind(std::shared_ptr<shim::AsyncClient> shim) override {
        // Whatever happens, nobody else will have it.
        std::shared_ptr<ClientStreams> client = std::move(client_);
        if (stop_watching_) std::exchange(stop_watching_, {})();
        if (!client) co_return;
        shim::Streams streams = output_ ? client->offer_input() : client->offer();
        if (streams.in >= 0 || streams.out >= 0 || streams.err >= 0) co_await shim->attach(streams);
        if (output_)
            client->taken([output = output_](async::Stream& to) { return output(sink_of(to)); });
        else
            client->taken();
    }

    void abandon() noexcept override {
        if (stop_watching_) std::exchange(stop_watching_, {})();
        // The watching coroutine may have it a moment longer.
        if (client_) std::exchange(client_, {})->close();
    }

    /// Lets the container forget a client that went away before it was bound.
    void watch(async::Context& control, std::weak_ptr<Container> container) {
        if (client_)
            stop_watching_ = control.spawn_cancellable(
                until_gone(client_, std::move(container), weak_from_this()), [](std::exception_ptr) {});
    }

    static LogSink sink_of(async::Stream& to) {
        return [&to](std::string_view bytes) { return to.write(std::as_bytes(std::span(bytes))); };
    }

  private:
    static async::Task<void> until_gone(std::shared_ptr<ClientStreams> client,
                                        std::weak_ptr<Container> container,
                                        std::weak_ptr<AttachSession> weak) {
        co_await client->until_client_gone();
        // A cancellation that comes together with the client's end is not seen.
        std::shared_ptr<AttachSession> session = weak.lock();
        if (!session) co_return;
        session->stop_watching_ = {};
        if (auto still = container.lock()) still->drop_session(session.get());
    }

    std::shared_ptr<ClientStreams> client_;
    LogWriter output_;  ///< instead of the shim
    std::function<void()> stop_watching_;
};

StreamWishes wishes_of(const Container& container, const AttachOptions& options) {
    const auto& config = container.record().config;
    StreamWishes wishes;
    wishes.in = options.in && config.OpenStdin;
    wishes.out = options.out;
    wishes.err = options.err;
    wishes.tty = config.Tty;
    wishes.framed = !config.Tty && !options.websocket;
    wishes.websocket = options.websocket;
    wishes.half_close = config.StdinOnce && !config.Tty && !options.websocket;
    wishes.detach_keys = options.detach_keys;
    return wishes;
}

LogReadOptions history_of(const StreamWishes& wishes) {
    LogReadOptions options;
    options.out = wishes.out;
    options.err = wishes.err;
    options.framed = wishes.framed;
    return options;
}

}  // namespace

Attachments::Attachments(Dependencies dependencies)
    : dependencies_(std::move(dependencies)), logs_(dependencies_.control, dependencies_.streams) {}

void Attachments::check(const Container& container, std::string_view reference) {
    if (container.is_paused())
        throw make_error(ErrorKind::conflict, "container {} is paused, unpause the container before attach",
                         reference);
    if (container.state().status == ContainerStatus::restarting)
        throw make_error(ErrorKind::conflict,
                         "container {} is restarting, wait until the container is running", reference);
}

async::Task<void> Attachments::attach(std::shared_ptr<Container> container,
                                      std::unique_ptr<async::Stream> client, AttachOptions options) {
    StreamWishes wishes = wishes_of(*container, options);
    auto detached = [publish = dependencies_.publish, weak = std::weak_ptr(container)] {
        if (auto still = weak.lock()) publish(*still, "detach", {});
    };
    auto streams = std::make_shared<ClientStreams>(dependencies_.control, dependencies_.streams,
                                                   std::move(client), wishes, std::move(detached));
    LogWriter output;
    bool follows = options.logs && options.stream && container->is_running();
    if (options.logs && (wishes.out || wishes.err)) {
        // Of a container that runs, history and stream are one log: what is told by two ways has a seam.
        output = logs_.make(*container, history_of(wishes), follows);
    }
    if (output && !follows) {
        auto write = [output](async::Stream& to) { return output(AttachSession::sink_of(to)); };
        co_await streams->write_first(std::move(write));
        output = {};
    }
    dependencies_.publish(*container, "attach", {});
    if (!options.stream || !streams->wants_any()) co_return;
    auto session = std::make_shared<AttachSession>(std::move(streams), std::move(output));
    session->watch(dependencies_.control, container);
    co_await container->add_session(std::move(session));
}

}  // namespace berth::engine
