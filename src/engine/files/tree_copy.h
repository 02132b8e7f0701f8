// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace berth::engine {

/// Copies what is in the open folder `from` into the empty folder `to`, and the folder's own owner, mode,
/// attributes and times: files (with their holes where the file system copies them), folders, symlinks, hard
/// links among them, devices, fifos; extended attributes but those of this host's security modules. What is
/// mounted below `from` and sockets are left out; symlinks are never followed. Blocking; nothing is synced.
void copy_tree(int from, int to);
/// Owner, mode, attributes and times alone, of one folder to another.
void copy_folder_attributes(int from, int to);

}  // namespace berth::engine
