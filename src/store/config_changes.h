// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "spec/image.h"

namespace berth::store {

/// Applies Dockerfile instructions to a configuration, as `docker commit --change` and `docker import
/// --change` do: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME,
/// WORKDIR, in this order of the texts. Variables are not expanded. Throws invalid_argument with the
/// instruction.
void apply_changes(spec::ImageRunConfig& config, std::span<const std::string> changes);

}  // namespace berth::store
