// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "async/stream.h"
#include "cli/build/build_flags.h"
#include "client/engine.h"
#include "context/frames.h"

/// The client's end of a build (context/frames.h). The walk runs while the connection is opened; hashing and
/// reading happen in the loop's pool, as the daemon asks. Nothing is kept at the client: the daemon remembers
/// what each folder looked like.
namespace berth::cli {

struct BuildOutcome {
    spec::api::BuildResult result;
    /// The failure's text, with its excerpt where it has a place.
    std::string error, excerpt;
};
/// `status` gets every line of SolveStatus JSON as it came. Throws ConnectionError; Cancelled with its caller
/// (Ctrl-C): sends `cancel` and waits 2 s for the daemon's word.
async::Task<BuildOutcome> run_session(client::Engine& engine, const BuildPlan& plan,
                                      std::function<void(std::string_view line)> status);

/// A daemon without our session (404: dockerd, an older Berth): the context as a tar to POST /build, its
/// stream turned into SolveStatus. What the classic builder can't do is refused before, by name of the flag.
async::Task<BuildOutcome> run_classic(client::Engine& engine, const BuildPlan& plan,
                                      std::function<void(std::string_view line)> status);

/// A tar of a folder into `destination` (type=local), never outside of it: names are checked as in layers,
/// folders opened one by one. A symlink that is there is replaced, not followed.
class FolderOutput {
  public:
    explicit FolderOutput(const std::string& destination);
    ~FolderOutput();
    void write(std::string_view data);
    void finish();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace berth::cli
