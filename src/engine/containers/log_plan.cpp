// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/log_plan.h"

#include "base/strings.h"

namespace berth::engine {

namespace {

LogContainer describe(const ContainerRecord& record) {
    return {.id = record.id,
            .name = record.name,
            .image_id = record.image_id,
            .image_name = record.image,
            .created = rfc3339(record.created_ns),
            .entrypoint = record.path,
            .args = record.args,
            .env = spec::api::items(record.config.Env),
            .labels = spec::api::items(record.config.Labels)};
}

}  // namespace

LogPlan container_log_plan(const ContainerRecord& record, const std::string& directory) {
    const spec::api::LogConfig& log = record.host_config.LogConfig_;
    return plan_log(log.Type, spec::api::items(log.Config), describe(record), directory);
}

std::optional<Forwarder::Setup> forwarding_setup(const ContainerRecord& record,
                                                 const std::string& directory) {
    const spec::api::LogConfig& log = record.host_config.LogConfig_;
    if (!is_forwarded(log.Type)) return std::nullopt;
    Forwarder::Setup setup;
    setup.driver = log.Type;
    setup.log = {.options = spec::api::items(log.Config), .container = describe(record)};
    setup.location = container_log_plan(record, directory).location;
    setup.cursor_path = directory + "/log.cursor";
    return setup;
}

}  // namespace berth::engine
