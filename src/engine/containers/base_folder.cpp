// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/base_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include "sys/file.h"

namespace berth::engine {

std::string make_base_folder(const std::string& data_root) {
    std::string base = data_root + "/base";
    for (const char* folder : {"dev/pts", "dev/shm", "etc", "proc", "sys"})
        sys::make_dirs(base + "/" + folder, 0755);
    UniqueFd root = sys::open_file(base, O_RDONLY | O_DIRECTORY);
    for (const char* file : {".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf"})
        (void)sys::open_at(root.get(), file, O_WRONLY | O_CREAT, 0755);
    if (::symlinkat("/proc/mounts", root.get(), "etc/mtab") < 0 && errno != EEXIST)
        throw errno_error(errno, "making " + base + "/etc/mtab");
    return base;
}

}  // namespace berth::engine
