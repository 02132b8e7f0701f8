// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"
#include "command.h"

namespace berth::oci {

namespace {

int refuse(const Invocation& invocation) {
    throw make_error(ErrorKind::not_implemented, "{} is not supported", invocation.command.name);
}

}  // namespace

constinit const Command kCheckpointCommand = {
    .name = "checkpoint",
    .summary = "not supported",
    .arguments = "<container-id>",
    .min_args = 0,
    .max_args = kAnyNumber,
    .run = refuse,
};

constinit const Command kRestoreCommand = {
    .name = "restore",
    .summary = "not supported",
    .arguments = "<container-id>",
    .min_args = 0,
    .max_args = kAnyNumber,
    .run = refuse,
};

}  // namespace berth::oci
