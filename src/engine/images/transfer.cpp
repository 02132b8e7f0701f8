// SPDX-License-Identifier: Apache-2.0
// What Images does with registries. The registry client belongs to the stream context: pull and push are
// awaited there already, the others go there for their requests.
#include <fmt/format.h>

#include <utility>

#include "engine/images/images.h"
#include "engine/images/progress_lines.h"
#include "engine/images/state.h"
#include "engine/images/views.h"

namespace berth::engine {

namespace {

namespace api = spec::api;

constexpr std::string_view kHub = "docker.io";

/// "https://index.docker.io/v1/" of `docker login` is Docker Hub; else the host of a URL, or the host itself.
std::string registry_host(std::string_view server) {
    size_t scheme = server.find("://");
    if (scheme != std::string_view::npos) server.remove_prefix(scheme + 3);
    std::string host(server.substr(0, server.find('/')));
    if (host.empty() || host == "index.docker.io" || host == "registry-1.docker.io") return std::string(kHub);
    return host;
}

registry::ProgressSink lines_of_progress(LineSink lines) {
    auto progress = std::make_shared<ProgressLines>(std::move(lines));
    return [progress](const registry::Progress& told) { progress->show(told); };
}

/// The platforms that a manifest or an index offers.
std::vector<spec::Platform> platforms_of(const registry::Client::Resolved& resolved) {
    std::vector<spec::Platform> platforms;
    spec::MediaKind kind = spec::media_kind(resolved.descriptor.mediaType);
    if (kind == spec::MediaKind::index) {
        for (const spec::Descriptor& entry : spec::parse_index(resolved.content).manifests)
            if (entry.platform && entry.platform->os != "unknown") platforms.push_back(*entry.platform);
    } else if (kind == spec::MediaKind::manifest && !resolved.config.empty()) {
        spec::ImageConfig config = spec::parse_image_config(resolved.config);
        spec::Platform platform;
        platform.os = config.os;
        platform.os_version = config.os_version;
        platform.architecture = config.architecture;
        platform.variant = config.variant;
        platforms.push_back(std::move(platform));
    }
    return platforms;
}

async::Task<api::DistributionInspect> inspect_distribution(std::shared_ptr<Images::State> state,
                                                           spec::Reference name,
                                                           spec::Credentials credentials) {
    std::shared_ptr<registry::Client> client = state->registry_client();
    registry::CredentialSource source = credentials_for(name, std::move(credentials));
    registry::Client::Resolved resolved = co_await client->resolve(std::move(name), std::move(source), true);
    api::DistributionInspect result;
    result.Platforms = platforms_of(resolved);
    result.Descriptor = std::move(resolved.descriptor);
    co_return result;
}

/// The images are known by their digests in the registry from now on.
void record_pushed(store::Store& store, const spec::Reference& repository,
                   const std::vector<PushedTag>& pushed) {
    for (const PushedTag& one : pushed) {
        std::optional<Digest> digest = Digest::try_parse(one.digest);
        std::optional<store::Image> image = store.find(repository.with_tag(one.tag).text());
        if (digest && image) store.record_digest(*image, repository.with_digest(*digest));
    }
}

async::Task<std::string> log_in(std::shared_ptr<Images::State> state, std::string host,
                                spec::Credentials credentials) {
    std::shared_ptr<registry::Client> client = state->registry_client();
    std::string token = co_await client->login(std::move(host), std::move(credentials));
    co_return token;
}

}  // namespace

registry::CredentialSource credentials_for(const spec::Reference& reference, spec::Credentials credentials) {
    return [domain = reference.domain(), credentials = std::move(credentials)](
               const std::string& host) -> std::optional<spec::Credentials> {
        if (credentials.empty() || host != domain) return std::nullopt;
        return credentials;
    };
}

async::Task<void> Images::pull(PullRequest request, LineSink lines) {
    std::shared_ptr<State> state = state_;
    std::shared_ptr<registry::Client> client = state->registry_client();
    registry::PullOptions options;
    options.all_tags = request.all_tags;
    if (request.platform) {
        options.platform = *request.platform;
        options.platform_given = true;
    }
    options.progress = lines_of_progress(std::move(lines));
    registry::CredentialSource credentials =
        credentials_for(request.reference, std::move(request.credentials));
    spec::Reference reference = request.reference;
    registry::PullResult result =
        co_await client->pull(state->store, std::move(reference), std::move(credentials), std::move(options));
    state->sync_soon();
    std::string image = result.image.text();
    std::function<std::map<std::string, std::string>()> work = [&] { return labels_of(*state, image); };
    std::map<std::string, std::string> attributes = co_await async::run_blocking(std::move(work));
    attributes["name"] = request.reference.familiar_name();
    state->publish("pull", request.reference.familiar(), std::move(attributes));
}

async::Task<void> Images::push(PushRequest request, LineSink lines) {
    std::shared_ptr<State> state = state_;
    std::shared_ptr<registry::Client> client = state->registry_client();
    registry::PushOptions options;
    options.all_tags = request.all_tags;
    options.platform = request.platform;
    auto pushed = std::make_shared<std::vector<PushedTag>>();
    options.progress = [show = lines_of_progress(std::move(lines)), pushed](const registry::Progress& told) {
        if (auto tag = parse_pushed(told.text)) pushed->push_back(std::move(*tag));
        show(told);
    };
    registry::CredentialSource credentials =
        credentials_for(request.reference, std::move(request.credentials));
    spec::Reference reference = request.reference;
    co_await client->push(state->store, std::move(reference), std::move(credentials), std::move(options));
    std::string name = request.reference.text();
    std::function<std::map<std::string, std::string>()> work = [&] {
        record_pushed(state->store, request.reference, *pushed);
        return labels_of(*state, name);
    };
    std::map<std::string, std::string> attributes = co_await async::run_blocking(std::move(work));
    attributes["name"] = request.reference.familiar_name();
    state->publish("push", request.reference.familiar(), std::move(attributes));
}

async::Task<std::string> Images::login(std::string server, spec::Credentials credentials) {
    std::shared_ptr<State> state = state_;
    async::Task<std::string> work = log_in(state, registry_host(server), std::move(credentials));
    std::string token = co_await async::run_on(state->streams, std::move(work));
    co_return token;
}

async::Task<api::DistributionInspect> Images::distribution(spec::Reference name,
                                                           spec::Credentials credentials) {
    std::shared_ptr<State> state = state_;
    async::Task<api::DistributionInspect> work =
        inspect_distribution(state, std::move(name), std::move(credentials));
    api::DistributionInspect result = co_await async::run_on(state->streams, std::move(work));
    co_return result;
}

}  // namespace berth::engine
