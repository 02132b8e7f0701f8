// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <array>

#include "base/error.h"
#include "command.h"
#include "default_config.h"
#include "sys/file.h"

namespace berth::oci {

namespace {

constexpr std::array kFlags = {
    Flag{"bundle", "b", Flag::Kind::text, "folder of the bundle", "the current folder"},
    Flag{"rootless", "", Flag::Kind::boolean, "for a user without privileges: in a user namespace"},
};

int write_spec(const Invocation& invocation) {
    std::string bundle = invocation.flags.text("bundle");
    std::string path = (bundle.empty() ? "" : bundle + "/") + "config.json";
    spec::Config config = default_config();
    if (invocation.flags.boolean("rootless")) make_rootless(config);
    if (sys::exists(path)) throw make_error(ErrorKind::conflict, "File {} exists. Remove it first", path);
    UniqueFd file = sys::open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    sys::write_all(file.get(), config_json(config), path);
    return 0;
}

}  // namespace

constinit const Command kSpecCommand = {
    .name = "spec",
    .summary = "write a config.json to start from",
    .arguments = "",
    .description =
        "It runs sh in a terminal, in the bundle's folder rootfs. What is there is not overwritten.",
    .flags = kFlags,
    .min_args = 0,
    .max_args = 0,
    .run = write_spec,
};

}  // namespace berth::oci
