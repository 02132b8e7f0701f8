// SPDX-License-Identifier: Apache-2.0
#include "api/image_names.h"

#include "base/log.h"

namespace berth::api {

std::optional<spec::Reference> tag_reference(const std::string& repo, const std::string& tag) {
    if (repo.empty()) return std::nullopt;
    spec::Reference name = spec::Reference::parse(repo);
    if (name.digest()) throw Error(ErrorKind::invalid_argument, "cannot import digest reference");
    if (!tag.empty()) return name.with_tag(tag);
    return name.with_default_tag();
}

spec::Reference pull_reference(std::string image, const std::string& tag) {
    // `docker pull -a` of old sends a name that ends in a colon.
    if (image.ends_with(':')) image.pop_back();
    spec::Reference name = spec::Reference::parse(image);
    if (name.familiar_name() == "scratch") throw Error(ErrorKind::forbidden, "'scratch' is a reserved name");
    if (tag.empty()) return name;
    if (auto digest = Digest::try_parse(tag)) return name.with_digest(*digest);
    if (name.digest()) return name;
    return name.with_tag(tag);
}

spec::Credentials registry_auth(const Call& call) {
    try {
        return spec::decode_registry_auth(call.request.headers.get("X-Registry-Auth"));
    } catch (const Error& error) {
        log::debug("X-Registry-Auth: {}", error.what());
        return {};
    }
}

std::optional<spec::Platform> json_platform(const Call& call, ApiVersion since) {
    std::string text = call.text("platform");
    if (text.empty() || call.version < since) return std::nullopt;
    spec::Platform platform =
        with_context("failed to parse platform", [&] { return json::decode_text<spec::Platform>(text); });
    if (platform.os.empty() || platform.architecture.empty())
        throw Error(ErrorKind::invalid_argument, "both OS and Architecture must be provided");
    return platform;
}

}  // namespace berth::api
