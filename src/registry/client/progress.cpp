// SPDX-License-Identifier: Apache-2.0
#include "registry/client/progress.h"

namespace berth::registry {

std::string_view to_string(Progress::Phase phase) {
    using Phase = Progress::Phase;
    switch (phase) {
        case Phase::message: return "";
        case Phase::pulling: return "Pulling fs layer";
        case Phase::waiting: return "Waiting";
        case Phase::already_exists: return "Already exists";
        case Phase::downloading: return "Downloading";
        case Phase::verifying: return "Verifying Checksum";
        case Phase::download_complete: return "Download complete";
        case Phase::extracting: return "Extracting";
        case Phase::pull_complete: return "Pull complete";
        case Phase::preparing: return "Preparing";
        case Phase::pushing: return "Pushing";
        case Phase::exists_remotely: return "Layer already exists";
        case Phase::mounted: return "Mounted from";
        case Phase::pushed: return "Pushed";
        case Phase::retrying: return "Retrying in";
    }
    return "";
}

std::string status_text(const Progress& progress) {
    std::string words(to_string(progress.phase));
    bool has_more = progress.phase == Progress::Phase::mounted || progress.phase == Progress::Phase::retrying;
    if (progress.phase == Progress::Phase::message) return progress.text;
    if (has_more && !progress.text.empty()) words += ' ' + progress.text;
    return words;
}

}  // namespace berth::registry
