// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdlib>

#include "cli/image/progress.h"
#include "spec/reference.h"

namespace berth::cli {

namespace {

async::Task<void> create_image(Session& session, client::Request request, bool quiet, int to_fd) {
    bool is_terminal = to_fd >= 0 && isatty(to_fd) == 1;
    return send_with_progress(session, std::move(request), is_terminal, quiet ? -1 : to_fd);
}

client::Request create_request(Session& session, const spec::Reference& image, std::string_view tag,
                               const std::string& platform) {
    client::Request request{.method = "POST", .path = "/images/create"};
    request.query.emplace_back("fromImage", image.name());
    if (!tag.empty()) request.query.emplace_back("tag", tag);
    if (!platform.empty()) request.query.emplace_back("platform", platform);
    request.headers.emplace_back("X-Registry-Auth", client::registry_auth(session.config(), image.name()));
    return request;
}

}  // namespace

std::string platform_flag(const Flags& flags) {
    const char* preset = std::getenv("DOCKER_DEFAULT_PLATFORM");
    std::string text = flags.is_set("platform") || preset == nullptr ? flags.text("platform") : preset;
    for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return text;
}

async::Task<void> pull_image(Session& session, std::string reference, std::string platform, bool quiet,
                             int to_fd) {
    spec::Reference image = spec::Reference::parse(reference).with_default_tag();
    // A digest goes where the tag goes, and wins over one.
    std::string tag = image.digest() ? image.digest()->text() : *image.tag();
    client::Request request = create_request(session, image, tag, platform);
    co_await create_image(session, std::move(request), quiet, to_fd);
}

async::Task<void> pull_all_tags(Session& session, std::string repository, std::string platform, bool quiet,
                                int to_fd) {
    spec::Reference name = spec::Reference::parse(repository);
    client::Request request = create_request(session, name, {}, platform);
    co_await create_image(session, std::move(request), quiet, to_fd);
}

}  // namespace berth::cli
