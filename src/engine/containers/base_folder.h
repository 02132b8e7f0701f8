// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace berth::engine {

/// Makes <data_root>/base, which lies under every container's file tree: the files and folders that are
/// mounted on in each container (/etc/hosts, /proc, …), empty, for images that lack them. As they are below
/// the image, they are neither changes of a container (docker diff) nor a part of what is committed.
/// Blocking; the path.
std::string make_base_folder(const std::string& data_root);

}  // namespace berth::engine
