// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "async/context.h"
#include "build/cache/cache.h"
#include "build/context/session.h"
#include "build/exec/step_host.h"
#include "build/plan/plan.h"
#include "build/progress/progress.h"

/// From solved images to what was asked for. Several outputs of one build run one after the other; the steps
/// are done before, and stay in the cache whatever happens here.
///
///   image (docker without dest)  config blob, Store::add with the tags: nothing is compressed, and nothing
///                                written where the image and its names are there already
///   registry, push=true          the same, then registry::Client::push
///   docker, oci (dest or stdout) Store::add without a name under a lease, store::save_archive, gone again
///   tar, local                   store::write_tree_tar of the view (several platforms: a folder for each);
///                                /dev, /proc, /sys stubs left out
///   cacheonly                    nothing
///
/// Attributes: name, push, dest, compression, force-compression, oci-mediatypes, annotation.*,
/// annotation-manifest.*, annotation-index.*, rewrite-timestamp, name-canonical, dangling-name-prefix, tar.
/// Unknown ones are invalid_argument. Annotations, an inline cache and several platforms need manifests of
/// our own: then layers' blobs are made first, and Store::add gets the manifest.
namespace berth::build {

/// One platform's image, solved.
struct SolvedImage {
    spec::Platform platform;
    spec::ImageConfig config;              ///< complete (assemble_config)
    std::vector<store::LayerBlob> layers;  ///< blob empty where there is none yet
    std::string chain;
    std::vector<CachedStep> steps;  ///< for inline caches
    std::optional<Digest> parent;   ///< the base, where it is in the store
};

/// `created`, rootfs and history: times are those of the steps' results (a step from the cache has that of
/// its first run) and never go back; with SOURCE_DATE_EPOCH all are that. So the same steps give the same
/// bytes.
struct SolvedStep {
    CachedStep result;
    VertexId vertex = 0;
};
spec::ImageConfig assemble_config(const PlannedImage& planned, const std::vector<store::LayerBlob>& base,
                                  const std::vector<SolvedStep>& steps, std::optional<int64_t> epoch);

struct ExportInput {
    std::vector<SolvedImage> images;
    const spec::api::BuildRequest& request;
    std::shared_ptr<Session> session;  ///< null: POST /build
    std::vector<spec::Reference> names;
    std::optional<int64_t> epoch;
    bool inline_cache = false;
};
/// Adds to `result`. Vertices: "exporting to image", below it "exporting layers", "writing image sha256:…",
/// "naming to docker.io/library/x:y"; "exporting to client directory" …
async::Task<void> export_images(StepHost& host, store::Lease& lease, const ExportInput& input,
                                registry::CredentialSource credentials, Progress& progress,
                                spec::api::BuildResult& result);
/// Checked before anything runs: invalid_argument.
void check_outputs(const spec::api::BuildRequest& request, bool has_session);

}  // namespace berth::build
