// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/describe/class.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "spec/api/container_config.h"

/// What is mounted into a container, by its users' words: `-v`, `--mount`, `--tmpfs`, `--volumes-from` and
/// the image's VOLUMEs. From the words to the running container:
///
///   create   resolve_mounts (here)         words -> MountPoints; nothing is made
///            Volumes::acquire              volumes are made and held by the container
///            populate_volumes (copy_up.h)  empty volumes get what the image has in their place
///   start    prepare_mounts (prepare.h)    MountPoints -> mounts of the OCI configuration
namespace berth::engine {

/// One of a container's mounts, as it is kept in its record and shown by inspect (where Spec is not).
struct MountPoint {
    std::string type;    ///< "bind", "volume", "tmpfs", "image"
    std::string name;    ///< of the volume; empty until Volumes::acquire for an anonymous one
    std::string source;  ///< on the host: of a bind, or (from acquire on) a volume; the image of an image
    std::string destination;  ///< clean, absolute
    std::string driver;       ///< of the volume
    std::string mode;         ///< as with -v ("ro,Z"); "z" for a named volume without one
    bool rw = true;
    std::string propagation;   ///< of a bind: "rprivate" unless it was given
    bool copy_data = false;    ///< an empty volume gets what the image has at the destination
    bool make_source = false;  ///< a bind's missing folder on the host is made (-v, bind-create-src)
    spec::api::Mount spec;     ///< as it was asked for (of -v: what it means)
};
BOOST_DESCRIBE_STRUCT(MountPoint, (),
                      (type, name, source, destination, driver, mode, rw, propagation, copy_data, make_source,
                       spec))

struct MountsRequest {
    const spec::api::ContainerConfig& config;  ///< with the image's Volumes merged in
    const spec::api::HostConfig& host;
    /// The mounts of the container that --volumes-from names; throws not_found "No such container: x",
    /// which becomes invalid_argument.
    std::function<std::vector<MountPoint>(const std::string& reference)> volumes_from;
    /// Binds of the daemon's own folder get rslave, as with Docker: it would else be kept busy.
    std::string data_root;
};
/// In order of their destinations. By precedence: Binds and Mounts (each place once: "Duplicate mount point:
/// /x"), VolumesFrom (a later one wins), Volumes. HostConfig.Tmpfs is not among them, as with Docker: see
/// prepare_mounts. Looks whether the sources of --mount binds exist. Errors are invalid_argument in Docker's
/// words.
std::vector<MountPoint> resolve_mounts(const MountsRequest& request);

/// One word of -v ("/src:/dst:ro", "name:/dst", "/dst"). `driver` is HostConfig.VolumeDriver.
MountPoint parse_bind_word(std::string_view word, std::string_view driver);
/// One of HostConfig.Mounts.
MountPoint parse_mount(const spec::api::Mount& mount);
/// "id[:mode]".
struct VolumesFrom {
    std::string reference;
    bool rw = true;
};
VolumesFrom parse_volumes_from(std::string_view word);
/// Checks HostConfig.Tmpfs' paths and options ("size=64m,mode=1777,exec").
void check_tmpfs(std::string_view destination, std::string_view options);
/// Options of a `--mount type=tmpfs`, as mount(8) takes them: "ro,mode=700,size=1m".
std::string tmpfs_options(const spec::api::Mount& mount);

}  // namespace berth::engine
