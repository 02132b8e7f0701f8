// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "api/router.h"
#include "build/progress/progress.h"
#include "spec/api/build.h"
#include "spec/credentials.h"

/// POST /build as the docker CLI without buildx and the SDKs know it.
namespace berth::api {

/// The query, by the version of the API. invalid_argument in dockerd's words; version=2 (and
/// remote=client-session) is refused with a sentence that names DOCKER_BUILDKIT=0 and `berth build`.
spec::api::BuildRequest classic_request(const Call& call);
/// X-Registry-Config, by host as spec::Reference::domain() has it. invalid_argument without what was decoded.
std::map<std::string, spec::Credentials> classic_credentials(const Call& call);

/// Events as dockerd's stream of JSON lines, in the order of the Dockerfile whatever ran first: a step's
/// lines are held back (1 MiB each, then its middle is left out) until those before it have ended.
///
///   {"stream":"Step 2/3 : RUN make"} {"stream":"\n"} {"stream":" ---\u003e Using cache\n"}
///   {"stream":" ---\u003e Running in 1f6b…\n"} {"stream":"…output"}
///   {"stream":" ---\u003e Removed intermediate container 1f6b…\n"} {"stream":" ---\u003e 9c1e…\n"}
///   {"aux":{"ID":"sha256:…"}} {"stream":"Successfully built 9c1e…\n"}
///   {"stream":"Successfully tagged x:latest\n"}
///   {"errorDetail":{"code":1,"message":"The command '/bin/sh -c x' returned a non-zero code: 1"},
///    "error":"…"}
///
/// Ids are the first 12 digits of a step's digest: there are no intermediate images and containers. With q
/// only
/// {"stream":"sha256:…\n"}. Pulls' lines as of POST /images/create.
class ClassicStream : public build::ProgressSink {
  public:
    ClassicStream(std::function<void(std::string line)> lines, bool quiet);
    ~ClassicStream() override;
    void take(const spec::api::SolveStatus& status) override;
    void planned(const std::vector<PlannedStep>& steps) override;
    void finish(const spec::api::BuildResult& result, const std::vector<std::string>& tags);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

void add_build_routes(
    Router& router);  ///< /build, /build/cancel, /build/prune, /berth/build, /grpc, /session

}  // namespace berth::api
