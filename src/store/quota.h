// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

/// Project quotas (quotactl(2)): a limit for all that is written below a folder.
namespace berth::store {

/// Gives the empty folder behind `folder` (what is made in it inherits) the project `project` with a hard
/// limit of `bytes`. not_implemented, with what to do, where the file system of `path` (for the message) has
/// none.
void set_project_quota(int folder, const std::string& path, uint32_t project, uint64_t bytes);
/// Frees the project's limit; nothing happens where there was none.
void clear_project_quota(int folder, uint32_t project) noexcept;

}  // namespace berth::store
