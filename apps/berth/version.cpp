// SPDX-License-Identifier: Apache-2.0
#include "commands.h"
#include "output.h"

namespace berth::app {

namespace {

int run(const Invocation&) {
    print_out("berth version " BERTH_VERSION "\n");
    return 0;
}

}  // namespace

constexpr Command kVersionCommand{.name = "version", .summary = "Show the version", .run = run};

}  // namespace berth::app
