// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "flags.h"

namespace berth::oci {

inline constexpr std::array kExecFlags = {
    Flag{"console-socket", "", Flag::Kind::text,
         "unix socket that is sent the master of the process's terminal"},
    Flag{"pidfd-socket", "", Flag::Kind::text, "unix socket that is sent a pidfd of the process"},
    Flag{"cwd", "", Flag::Kind::text, "working directory in the container"},
    Flag{"env", "e", Flag::Kind::texts, "add a variable to the environment"},
    Flag{"tty", "t", Flag::Kind::boolean, "give the process a terminal"},
    Flag{"user", "u", Flag::Kind::text, "run as <uid>[:<gid>]"},
    Flag{"additional-gids", "g", Flag::Kind::numbers, "add a group"},
    Flag{"process", "p", Flag::Kind::text, "read the whole process from this JSON file"},
    Flag{"detach", "d", Flag::Kind::boolean, "return once the process runs"},
    Flag{"pid-file", "", Flag::Kind::text, "file to write the process id to"},
    Flag{"process-label", "", Flag::Kind::text, "SELinux label of the process"},
    Flag{"apparmor", "", Flag::Kind::text, "AppArmor profile of the process"},
    Flag{"no-new-privs", "", Flag::Kind::boolean, "no execve can give the process more privileges"},
    Flag{"cap", "c", Flag::Kind::texts, "add a capability to the bounding, effective and permitted sets"},
    Flag{"preserve-fds", "", Flag::Kind::number, "pass N more descriptors, from 3 on, to the process", "0"},
    Flag{"cgroup", "", Flag::Kind::texts, "run in a cgroup below the container's: [<controller>:]<cgroup>"},
    Flag{"ignore-paused", "", Flag::Kind::boolean,
         "don't refuse a paused container: the process waits until it is resumed"},
};

}  // namespace berth::oci
