// SPDX-License-Identifier: Apache-2.0
#include "store/archive_legacy.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"

namespace berth::store {

namespace {

constexpr size_t kMaxLayers = 1000;

/// <id>/json: one layer with the state of the configuration at that point.
struct LayerJson {
    std::string id, parent, created, author, comment, architecture, os;
    std::optional<spec::ImageRunConfig> config;
    std::optional<spec::ImageRunConfig> container_config;
};
BOOST_DESCRIBE_STRUCT(LayerJson, (),
                      (id, parent, created, author, comment, architecture, os, config, container_config))

bool is_layer_id(std::string_view id) {
    return id.size() == 64 &&
           std::ranges::all_of(id, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

LegacyImage read_image(const ArchiveFiles& files, std::string id) {
    std::vector<LayerJson> layers;
    LegacyImage image;
    while (!id.empty()) {
        if (!is_layer_id(id)) throw make_error(ErrorKind::invalid_argument, "{} is no layer's id", quote(id));
        if (layers.size() == kMaxLayers)
            throw make_error(ErrorKind::invalid_argument,
                             "more than {} layers, or layers that are their own parents", kMaxLayers);
        std::string path = id + "/json";
        layers.push_back(
            with_context(path, [&] { return json::decode_text<LayerJson>(files.text(files.get(path))); }));
        image.layers.push_back(id + "/layer.tar");
        id = layers.back().parent;
    }
    std::ranges::reverse(layers);
    std::ranges::reverse(image.layers);

    const LayerJson& top = layers.back();
    spec::ImageConfig config;
    config.created = top.created;
    config.author = top.author;
    config.architecture = top.architecture.empty() ? spec::Platform::host().architecture : top.architecture;
    config.os = top.os.empty() ? "linux" : top.os;
    if (top.config) config.config = *top.config;
    for (size_t i = 0; i < layers.size(); ++i) {
        config.rootfs.diff_ids.push_back(files.get(image.layers[i]).digest);
        spec::History entry{.created = layers[i].created,
                            .author = layers[i].author,
                            .created_by = {},
                            .comment = layers[i].comment};
        if (layers[i].container_config && layers[i].container_config->Cmd)
            entry.created_by = join(*layers[i].container_config->Cmd, " ");
        config.history.push_back(std::move(entry));
    }
    image.config = spec::print_image_config(config);
    return image;
}

}  // namespace

std::vector<LegacyImage> legacy_images(const ArchiveFiles& files, const std::string& repositories) {
    auto table = with_context("repositories", [&] {
        return json::decode_text<std::map<std::string, std::map<std::string, std::string>>>(repositories);
    });
    std::map<std::string, LegacyImage> images;
    for (const auto& [repository, tags] : table) {
        for (const auto& [tag, id] : tags) {
            std::string name = fmt::format("{}:{}", repository, tag);
            with_context(name, [&] {
                spec::Reference reference = spec::Reference::parse(name);
                if (!images.contains(id)) images.emplace(id, read_image(files, id));
                images.at(id).names.push_back(std::move(reference));
            });
        }
    }
    std::vector<LegacyImage> result;
    for (auto& [id, image] : images) result.push_back(std::move(image));
    return result;
}

}  // namespace berth::store
