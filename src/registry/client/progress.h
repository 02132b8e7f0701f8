// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace berth::registry {

/// What a pull, push or load tells while it works; becomes the API's JSON stream and the CLI's bars.
struct Progress {
    enum class Phase {
        /// A line of its own: `text`, after "`id`: " where there is one ("latest: Pulling from
        /// library/nginx", "Digest: …").
        message,
        pulling,  ///< a layer that has to come
        waiting,  ///< for a turn
        already_exists,
        downloading,
        verifying,
        download_complete,
        extracting,
        pull_complete,
        preparing,
        pushing,
        exists_remotely,
        mounted,  ///< `text`: from which repository
        pushed,
        retrying,  ///< `text`: why and when
    };
    Phase phase = Phase::message;
    std::string id;  ///< the layer's short digest, or empty
    std::string text;
    uint64_t current = 0, total = 0;  ///< bytes; total 0 where unknown
};

/// Called on the loop's thread; cheap.
using ProgressSink = std::function<void(const Progress&)>;

/// Docker's words for a phase: "Pulling fs layer", "Downloading", "Layer already exists". Empty for
/// `message`.
std::string_view to_string(Progress::Phase phase);

/// What Docker writes after a layer's id, without numbers: the phase's words, with `text` where it belongs to
/// them
/// ("Mounted from library/nginx", "Retrying in 2 seconds"); for a message its text.
std::string status_text(const Progress& progress);

}  // namespace berth::registry
