// SPDX-License-Identifier: Apache-2.0
#include "api/image_routes.h"

#include "api/image_names.h"
#include "api/routes.h"
#include "base/strings.h"
#include "engine/engine.h"
#include "engine/images/images.h"
#include "engine/system/system.h"

namespace berth::api {

namespace {

async::Task<void> list_images(Call& call) {
    engine::ImageListOptions options;
    options.filters = call.filters();
    options.all = call.flag("all");
    if (std::string pattern = call.text("filter"); !pattern.empty() && call.version < ApiVersion{1, 41})
        options.filters.add("reference", std::move(pattern));
    options.shared_size = call.version >= ApiVersion{1, 42} && call.flag("shared-size");
    options.manifests = call.version >= ApiVersion{1, 47} && call.flag("manifests");
    options.containers = options.manifests;
    std::vector<spec::api::ImageSummary> images = co_await call.engine.images().list(std::move(options));
    json::Array list;
    list.reserve(images.size());
    for (spec::api::ImageSummary& image : images) {
        shape_image_summary(image, call.version);
        list.push_back(spec::api::encode_image_summary(image));
    }
    json::Value value = std::move(list);
    co_await call.send_json(std::move(value));
}

async::Task<void> inspect_image(Call& call) {
    bool manifests = call.version >= ApiVersion{1, 48} && call.flag("manifests");
    std::optional<spec::Platform> platform = json_platform(call, {1, 49});
    if (manifests && platform)
        throw Error(ErrorKind::invalid_argument,
                    "conflicting options: manifests and platform options cannot both be set");
    engine::ImageDetails details =
        co_await call.engine.images().inspect(call.param("name"), manifests, std::move(platform));
    co_await call.send_json(encode_image_details(std::move(details), call.version));
}

async::Task<void> show_history(Call& call) {
    std::optional<spec::Platform> platform = json_platform(call, {1, 48});
    auto history = co_await call.engine.images().history(call.param("name"), std::move(platform));
    co_await call.send_json(spec::api::encode_history(history));
}

async::Task<void> tag_image(Call& call) {
    std::optional<spec::Reference> target = tag_reference(call.text("repo"), call.text("tag"));
    if (!target)
        throw Error(ErrorKind::invalid_argument,
                    "invalid reference format: repository name must have at least one component");
    if (target->familiar_name() == "sha256")
        throw Error(ErrorKind::invalid_argument,
                    "refusing to create an ambiguous tag using digest algorithm as name");
    co_await call.engine.images().tag(call.param("name"), std::move(*target));
    co_await call.send_status(201);
}

async::Task<void> remove_image(Call& call) {
    engine::ImageRemoveOptions options;
    options.force = call.flag("force");
    options.prune_parents = !call.flag("noprune");
    std::string name = call.param("name");
    if (trim(name).empty()) throw Error(ErrorKind::invalid_argument, "image name cannot be blank");
    auto removed = co_await call.engine.images().remove(std::move(name), options);
    co_await call.send_json(spec::api::encode_image_delete_items(removed));
}

async::Task<void> prune_images(Call& call) {
    auto report = co_await call.engine.images().prune(call.filters());
    co_await call.send_json(spec::api::encode_images_prune_report(report));
}

async::Task<void> search_images(Call& call) {
    engine::SearchRequest request;
    request.term = call.text("term");
    if (call.has("limit")) {
        std::optional<int64_t> limit = call.integer("limit");
        if (limit && (*limit < 0 || *limit > INT32_MAX))
            throw Error(ErrorKind::invalid_argument, "invalid limit specified");
        request.limit = static_cast<int>(limit.value_or(0));
    }
    request.filters = call.filters();
    request.credentials = registry_auth(call);
    auto results = co_await call.engine.images().search(std::move(request));
    co_await call.send_json(spec::api::encode_image_search_results(results));
}

async::Task<void> commit_container(Call& call) {
    engine::ContainerCommit request;
    json::Value body = co_await call.body();
    if (!body.is_null())
        request.config =
            with_context("invalid JSON", [&] { return spec::api::decode_container_config(body); });
    request.container = call.text("container");
    request.name = tag_reference(call.text("repo"), call.text("tag"));
    request.author = call.text("author");
    request.comment = call.text("comment");
    request.pause = call.text("pause").empty() || call.flag("pause");
    for (std::string_view change : call.request.query.all("changes")) request.changes.emplace_back(change);
    json::Object answer;
    answer["Id"] = co_await call.engine.system().commit(std::move(request));
    json::Value value = std::move(answer);
    co_await call.send_json(std::move(value), 201);
}

async::Task<void> inspect_distribution(Call& call) {
    spec::Reference name = spec::Reference::parse(call.param("name"));
    if (!name.digest()) name = name.with_default_tag();
    auto found = co_await call.engine.images().distribution(std::move(name), registry_auth(call));
    co_await call.send_json(spec::api::encode_distribution_inspect(found));
}

async::Task<void> log_in(Call& call) {
    json::Value body = co_await call.body();
    auto request = with_context("invalid JSON", [&] { return spec::api::decode_auth_request(body); });
    spec::Credentials credentials;
    credentials.username = std::move(request.username);
    credentials.password = std::move(request.password);
    credentials.identity_token = std::move(request.identitytoken);
    credentials.registry_token = std::move(request.registrytoken);
    spec::api::AuthResponse answer;
    answer.IdentityToken =
        co_await call.engine.images().login(std::move(request.serveraddress), std::move(credentials));
    answer.Status = "Login Succeeded";
    co_await call.send_json(spec::api::encode_auth_response(answer));
}

}  // namespace

void add_image_routes(Router& router) {
    router.add("GET", "/images/json", list_images);
    router.add("GET", "/images/search", search_images);
    router.add("POST", "/images/prune", prune_images);
    add_image_transfer_routes(router);
    router.add("GET", "/images/{name*}/json", inspect_image);
    router.add("GET", "/images/{name*}/history", show_history);
    router.add("POST", "/images/{name*}/tag", tag_image);
    router.add("DELETE", "/images/{name*}", remove_image);
    router.add("POST", "/commit", commit_container);
    router.add("GET", "/distribution/{name*}/json", inspect_distribution);
    router.add("POST", "/auth", log_in);
}

}  // namespace berth::api
