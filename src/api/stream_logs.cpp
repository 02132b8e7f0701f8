// SPDX-License-Identifier: Apache-2.0
#include "api/stream_logs.h"

#include "base/strings.h"
#include "engine/containers/containers.h"
#include "engine/engine.h"
#include "engine/streams/attach.h"
#include "engine/system/timestamp.h"

namespace berth::api {

namespace {

engine::LogReadOptions read_options(const Call& call) {
    engine::LogReadOptions options;
    options.out = call.flag("stdout");
    options.err = call.flag("stderr");
    if (!options.out && !options.err)
        throw Error(ErrorKind::invalid_argument, "Bad parameters: you must choose at least one stream");
    int64_t now = now_ns();
    options.since_ns = engine::parse_optional_timestamp(call.text("since"), now).value_or(0);
    options.until_ns = engine::parse_optional_timestamp(call.text("until"), now).value_or(0);
    // "all", and what is no number, is everything.
    options.tail = parse_number<uint64_t>(call.text("tail"));
    options.timestamps = call.flag("timestamps");
    options.details = call.flag("details");
    return options;
}

/// On the stream context, like the connection.
async::Task<void> write_log(http::Request& request, http::Response& response, engine::LogWriter writer) {
    engine::LogSink sink = [&response](std::string_view bytes) { return response.write(bytes); };
    bool whole = co_await request.while_connected(writer(std::move(sink)));
    if (!whole) throw Error(ErrorKind::unavailable, "the client went away");
}

}  // namespace

std::string_view stream_type(ApiVersion version, bool framed) {
    return framed && version >= ApiVersion{1, 42} ? "application/vnd.docker.multiplexed-stream"
                                                  : "application/vnd.docker.raw-stream";
}

async::Task<void> send_logs(Call& call) {
    engine::LogReadOptions options = read_options(call);
    std::shared_ptr<engine::Container> container = call.engine.containers().get(call.param("id"));
    if (container->state().status == engine::ContainerStatus::removing ||
        container->state().status == engine::ContainerStatus::dead)
        throw Error(ErrorKind::conflict,
                    "can not get logs from container which is dead or marked for removal");
    options.framed = !container->is_tty();
    bool framed = options.framed;
    engine::LogWriter writer =
        call.engine.attachments().logs().make(*container, options, call.flag("follow"));
    container.reset();
    call.response.headers.set("Content-Type", std::string(stream_type(call.version, framed)));
    co_await call.response.start();
    co_await call.response.run_on(call.engine.streams(),
                                  write_log(call.request, call.response, std::move(writer)));
    co_await call.response.finish();
}

}  // namespace berth::api
