// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "spec/api/container_config.h"
#include "spec/image.h"

namespace berth::engine {

/// Fills what `config` leaves open from an image's configuration, as Docker does for create and commit:
/// - User, WorkingDir, StopSignal, Shell: where not set;
/// - Env: variables whose names `config` doesn't have are appended; Labels, ExposedPorts: by key; Volumes:
/// all;
/// - Cmd: only where neither Entrypoint nor Cmd is given; Entrypoint: only where it is null. So an entrypoint
///   of one's own drops the image's command, and {""} drops the image's entrypoint and command;
/// - Healthcheck: field by field. {"NONE"} stays.
void merge_image_config(spec::api::ContainerConfig& config, const spec::ImageRunConfig& image);

/// What a container executes, from its merged configuration. An Entrypoint of {""} becomes null. Throws
/// invalid_argument "no command specified".
struct Command {
    std::string path;
    std::vector<std::string> args;
};
Command resolve_command(spec::api::ContainerConfig& config);

/// `defaults` with `values` over them, by name; a value without "=" takes the variable away.
std::vector<std::string> merge_environment(std::vector<std::string> defaults,
                                           const std::vector<std::string>& values);

}  // namespace berth::engine
