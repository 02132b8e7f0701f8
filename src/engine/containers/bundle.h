// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/config/daemon_config.h"
#include "engine/containers/etc_files.h"
#include "engine/containers/record.h"
#include "engine/containers/spare_shim.h"
#include "engine/oci/host_facts.h"
#include "engine/volumes/volumes.h"
#include "shim/client.h"
#include "store/images.h"

/// The shim's directory, <exec-root>/c/<id>, and the blocking part of a start.
namespace berth::engine {

/// A container whose namespaces another one joins.
struct JoinedContainer {
    pid_t pid = 0;
    std::string id, directory, hostname, domainname;
};

/// All that a start needs on the pool. What it points to lives on until the job has ended.
struct StartJob {
    const ContainerRecord* record =
        nullptr;  ///< which doesn't change meanwhile: the container's queue is held
    std::shared_ptr<const DaemonConfig> daemon;
    const HostFacts* host = nullptr;
    store::Store* store = nullptr;
    std::map<std::string, Volume> volumes;
    JoinedContainer network, ipc, pid;  ///< pid 0: not joined
    SpareShim* shims = nullptr;
    std::string shim_path, directory, bundle, mounts_folder;
    std::string shared_memory, joined_shared_memory;  ///< folders
    std::string network_namespace;                    ///< a path; "": the runtime makes one, or joins one
    UniqueFd plain_namespace;                         ///< holds that one until a process is in it
    std::string network_record;                       ///< for network.json; "": none
    EtcNetworks etc_networks;
    std::vector<std::string> link_variables;  ///< "DB_PORT=tcp://…", which the container's own override
};

/// Writes the bundle and the files in /etc, and spawns the shim: the container is created when it returns,
/// and nothing is left where it throws (a StartError where the runtime refused). Blocking.
shim::Spawned spawn_container(const StartJob& job);

/// Why the runtime didn't start the program, in Docker's words.
class StartError : public Error {
  public:
    StartError(ErrorKind kind, std::string text, int code, int exit_code)
        : Error(kind, std::move(text), code), exit_code_(exit_code) {}
    /// Of the container: 126, 127, or 128 where it isn't the program's fault.
    int exit_code() const { return exit_code_; }

  private:
    int exit_code_;
};
/// From what the shim said. What isn't an Error, or comes from a shim that died, is given back as it is.
std::exception_ptr runtime_failure(std::exception_ptr failure, const std::string& program);

/// Lets go of /dev/shm of a shareable container. Absent is fine. Blocking.
void release_shared_memory(const std::string& folder);
/// Absent is fine. Blocking.
void remove_bundle(const std::string& bundle);

}  // namespace berth::engine
