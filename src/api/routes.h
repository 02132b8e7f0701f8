// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/router.h"

/// Who serves what. One function for each group of paths; each in its own file <group>_routes.cpp.
namespace berth::api {

void add_container_routes(Router& router);  ///< create, list, inspect, update, remove, prune, top, stats …
void add_container_state_routes(
    Router& router);                      ///< start, stop, restart, kill, pause, unpause, wait, rename …
void add_archive_routes(Router& router);  ///< archive, export
void add_stream_routes(Router& router);   ///< attach, execs, logs
void add_image_routes(Router& router);    ///< images, commit, distribution, auth
void add_system_routes(Router& router);   ///< ping, version, info, events, df
void add_volume_routes(Router& router);
void add_network_routes(Router& router);
void add_absent_routes(Router& router);  ///< what is not built answers as where Docker has it off

/// GET /metrics for Prometheus and nothing else, for a listener of its own.
http::Handler make_metrics_handler(engine::Engine& engine);

}  // namespace berth::api
