// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "engine/config/daemon_config.h"
#include "store/lock_file.h"

/// What the daemon's process is before it serves: its limits, its folders, its locks.
namespace berth::app {

/// Log, umask, limits, OOM score, proxies of the environment, malloc for a process that is small when idle.
void set_up_process(const engine::DaemonConfig& config);
void set_log_level(const engine::DaemonConfig& config);

/// Gives memory back that an idle daemon does not need: free parts of the heap, and pages of the program's
/// own file, which come back from the page cache when they are touched.
void release_idle_memory();

/// Makes data root (0710) and exec root (0700) and holds both until it is destroyed. Throws (conflict) where
/// another daemon has one of them.
class DaemonRoots {
  public:
    explicit DaemonRoots(const engine::DaemonConfig& config);

  private:
    std::vector<store::LockFile> locks_;
};

/// The file with our pid; removed at the end. Throws (conflict) where the one that it names still runs.
class PidFile {
  public:
    /// "": none.
    explicit PidFile(std::string path);
    PidFile(const PidFile&) = delete;
    PidFile& operator=(const PidFile&) = delete;
    ~PidFile();

    /// The daemon that the file names, if it runs.
    static std::optional<pid_t> running(const std::string& path);

  private:
    std::string path_;
};

}  // namespace berth::app
