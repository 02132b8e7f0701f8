// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/describe/class.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "spec/runtime.h"

/// A container's files in <root>/<id>/ (0700):
///   state.json   StateRecord, replaced atomically. With pid 0 from before anything in the kernel is made,
///   with the pid
///                once the init process waits for `start`.
///   config.json  what was given to create, byte for byte (the bundle may change or go).
///   start.sock   unix socket on which the init process waits; there from create to start.
/// After a kill -9 of a runtime at any moment `delete --force` finds there all that is to be undone.
namespace berth::runtime {

struct StateRecord {
    int version = 1;
    std::string id;
    int32_t pid = 0;
    uint64_t pidStartTime = 0;  ///< with pid names the process for good; 0 while creating
    std::string bundle;
    std::string rootfs;
    std::string owner;
    int64_t created = 0;                             ///< ns since the epoch
    std::map<std::string, std::string> cgroupPaths;  ///< as sys::Cgroup::open takes them
    std::string rdtGroup;                            ///< as runtime::RdtGroup
    bool rdtOwned = false;
    bool noNewKeyring = false;
    std::string rdtMonitoring;
};
BOOST_DESCRIBE_STRUCT(StateRecord, (),
                      (version, id, pid, pidStartTime, bundle, rootfs, owner, created, cgroupPaths, rdtGroup,
                       rdtOwned, noNewKeyring, rdtMonitoring))

inline constexpr const char* kStateFile = "state.json";
inline constexpr const char* kConfigFile = "config.json";
inline constexpr const char* kStartSocket = "start.sock";

/// Makes <root> (if missing) and <root>/<id>. conflict: the id is taken.
UniqueFd make_state_dir(const std::string& root, const std::string& id);
/// Nothing if there is no such container.
std::optional<UniqueFd> find_state_dir(const std::string& root, const std::string& id);
void remove_state_dir(const std::string& root, const std::string& id);

void save_state(int dir, const StateRecord& record);
/// Nothing if the container is not that far (or was damaged by an unclean end).
std::optional<StateRecord> load_state(int dir);

/// Listens on start.sock in `dir`.
UniqueFd listen_for_start(int dir);
/// Whether a process waits there (`start` with no answer yet).
bool somebody_waits(int dir);
/// Connects to it. Nothing where nobody listens any more.
std::optional<UniqueFd> connect_to_start(int dir);

/// The user's name in /etc/passwd, else the number.
std::string user_name(uint32_t uid);

}  // namespace berth::runtime
