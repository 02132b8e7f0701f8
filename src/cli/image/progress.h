// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "cli/session.h"
#include "client/engine.h"

namespace berth::cli {

/// Shows the progress messages of pull, push, load, import and build as docker does: on a terminal a line for
/// each id that is drawn anew, with bars; else a line for each change of status. `aux` is told of what the
/// daemon adds for programs. A message with an error is thrown (its own words, kind internal) after what came
/// before it was shown. With `to_fd` -1 nothing is shown.
async::Task<void> show_progress(client::Response& response, bool is_terminal, int to_fd,
                                std::function<void(const json::Value& aux)> aux = {});
/// Sends `request` and does so with its answer.
async::Task<void> send_with_progress(Session& session, client::Request request, bool is_terminal, int to_fd,
                                     std::function<void(const json::Value& aux)> aux = {});

/// POST /images/create for a reference ("latest" where it has neither tag nor digest), with credentials: what
/// `pull` does and `run` when the image is missing (to stderr then). Quiet shows nothing. A reference that
/// can't be one is invalid_argument. `platform` may be "".
async::Task<void> pull_image(Session& session, std::string reference, std::string platform, bool quiet,
                             int to_fd);
/// The same for all tags of a repository.
async::Task<void> pull_all_tags(Session& session, std::string repository, std::string platform, bool quiet,
                                int to_fd);

/// --platform, or what DOCKER_DEFAULT_PLATFORM says where it is not given; in lower case. "" where neither
/// is.
std::string platform_flag(const Flags& flags);

}  // namespace berth::cli
