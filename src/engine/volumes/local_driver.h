// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/volumes/volumes.h"
#include "spec/runtime.h"

/// The driver "local": its rules, and its folders on disk.
///
///   <data-root>/volumes/<name>/_data      the content, or where it is mounted (type=tmpfs)
///                       <name>/_copy…     see copy_up.h
///                       .removed-<hex>    a volume that is on its way out
namespace berth::engine {

/// invalid_argument in Docker's words.
void check_volume_name(std::string_view name);
/// The same for type, o, device, size.
void check_volume_options(const std::map<std::string, std::string>& options);

/// Whether its file system is mounted once on the host, for all containers: type=tmpfs, which would else be
/// another one for each.
bool is_mounted_on_host(const Volume& volume);
/// Its options as a mount; names of servers are looked up (blocking).
spec::Mount option_mount(const Volume& volume, const std::string& destination);
/// Mounts it on its mountpoint. Blocking. Errors as Docker's, without passwords.
void mount_on_host(const Volume& volume);
void unmount_on_host(const Volume& volume);

/// <folder>/<name> and its _data, with a limit of `quota_bytes` by `project` unless 0. Blocking.
void make_volume_folder(const std::string& folder, const std::string& name, uint32_t project,
                        uint64_t quota_bytes);
/// Out of the way at once; what is left to delete, a name in `folder`, or "" where there was nothing.
std::string set_aside(const std::string& folder, const std::string& name);
/// Bytes on disk, as du.
uint64_t volume_size(const std::string& folder, const std::string& name);

/// What a start of the daemon finds: volumes on their way out are deleted, copies ended; of those that have
/// no row the empty ones are deleted, and the others given back: they are somebody's data.
std::vector<Volume> recover_folders(const std::string& folder, const std::map<std::string, Volume>& known);

}  // namespace berth::engine
