// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spec/image.h"
#include "spec/reference.h"
#include "store/images.h"
#include "sys/byte_stream.h"

/// Images as tar archives, to and from a store.
///
///   docker-archive   manifest.json names each image's config, layers and tags (docker save, podman save,
///   skopeo) oci-archive      an OCI image layout: index.json, blobs/<algorithm>/<hex> (image-layout.md)
///   legacy           `repositories` and a folder with json and layer.tar for each layer (before Docker 1.10)
///
/// An archive may be the first two at once, as what Docker 25 and later writes. Then manifest.json says which
/// images there are, and the layout gives their manifests.
namespace berth::store {

struct LoadOptions {
    std::string archive = "archive";         ///< its name, for messages
    std::optional<spec::Platform> platform;  ///< of an index with several; else the host's
    /// Called with each layer that is unpacked, at times, with the bytes of file contents so far. What it
    /// throws ends the load.
    std::function<void(const Digest& diff_id, uint64_t bytes)> progress;
};

struct Loaded {
    Digest image;
    std::vector<spec::Reference> names;
    /// Names that pointed to another image before, with its id.
    std::vector<std::pair<spec::Reference, Digest>> moved;
};

/// Reads an archive (gzip, zstd or plain) from front to end, whatever the order of its entries: files go
/// straight into the store. Every digest is checked, those of layers too that are here already. Throws
/// invalid_argument with the archive's and the image's name; then no image of the archive is there, and the
/// space is given back.
std::vector<Loaded> load_archive(Store& store, sys::ByteSource& from, const LoadOptions& options);

enum class SaveFormat {
    docker,  ///< docker-archive and oci-archive in one
    oci,     ///< an OCI image layout alone
};

/// Writes images (names, ids) as one archive, blobs that they share once. A name without tag means all tags
/// of the repository. The blobs are those that came from a registry where they are still here, so that
/// manifests keep their digests; else the layers go out uncompressed. The same images give the same bytes.
/// not_found before anything is written.
void save_archive(Store& store, const std::vector<std::string>& images, sys::ByteSink& to, SaveFormat format);

}  // namespace berth::store
