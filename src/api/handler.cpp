// SPDX-License-Identifier: Apache-2.0
#include "api/router.h"
#include "api/routes.h"

namespace berth::api {

namespace {

async::Task<void> answer(std::shared_ptr<const Router> router, engine::Engine& engine, http::Request& request,
                         http::Response& response) {
    co_await router->handle(request, response, engine);
}

/// As Docker answers browsers and probes: no list of methods.
async::Task<void> answer_options(Call& call) {
    co_await call.send_status(200);
}

}  // namespace

http::Handler make_handler(engine::Engine& engine) {
    auto router = std::make_shared<Router>();
    add_container_routes(*router);
    add_container_state_routes(*router);
    add_archive_routes(*router);
    add_stream_routes(*router);
    add_image_routes(*router);
    add_system_routes(*router);
    add_volume_routes(*router);
    add_network_routes(*router);
    add_absent_routes(*router);
    router->add("OPTIONS", "/{path*}", answer_options);
    return [router, &engine](http::Request& request, http::Response& response) {
        return answer(router, engine, request, response);
    };
}

}  // namespace berth::api
