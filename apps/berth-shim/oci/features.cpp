// SPDX-License-Identifier: Apache-2.0
#include "runtime/features.h"

#include "command.h"
#include "sys/file.h"

namespace berth::oci {

constinit const Command kFeaturesCommand = {
    .name = "features",
    .summary = "print what the runtime supports as JSON",
    .arguments = "",
    .description = "In the format of the runtime specification's features.md.",
    .min_args = 0,
    .max_args = 0,
    .run =
        [](const Invocation&) {
            sys::write_all(1, runtime::features_json(), "stdout");
            return 0;
        },
};

}  // namespace berth::oci
