// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "api/router.h"
#include "spec/credentials.h"
#include "spec/platform.h"
#include "spec/reference.h"

/// What the routes of images read of requests.
namespace berth::api {

/// `repo` and `tag` of commit, tag and import: nothing where there is no repo; ":latest" where there is no
/// tag.
std::optional<spec::Reference> tag_reference(const std::string& repo, const std::string& tag);
/// `fromImage` and `tag` of a pull; `tag` may be a digest. Without either all tags are meant: none in the
/// result.
spec::Reference pull_reference(std::string image, const std::string& tag);
/// X-Registry-Auth. What is malformed counts as anonymous, as Docker has it.
spec::Credentials registry_auth(const Call& call);
/// A platform as JSON ({"os":"linux","architecture":"arm64"}), where the version knows the parameter.
std::optional<spec::Platform> json_platform(const Call& call, ApiVersion since);

}  // namespace berth::api
