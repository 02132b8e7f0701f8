// SPDX-License-Identifier: Apache-2.0
#include "spec/image.h"
#include "tests/fuzz/property.h"

using namespace berth;
using fuzz::require;

namespace {

void check_descriptor(const spec::Descriptor& descriptor) {
    require(!descriptor.digest.empty() && !descriptor.mediaType.empty() && descriptor.size >= 0,
            "descriptors are complete");
    if (descriptor.platform) (void)descriptor.platform->satisfies(spec::Platform::host());
}

/// `text` as a Document: what is printed of it is printed of what is read back.
template <typename Document, typename Parse, typename Print>
std::optional<Document> read(std::string_view text, Parse&& parse, Print&& print) {
    std::optional<Document> document;
    if (!fuzz::is_valid([&] { document = parse(text); })) return std::nullopt;
    std::string printed = print(*document);
    require(print(parse(printed)) == printed, "what is printed is read back the same");
    return document;
}

}  // namespace

/// A manifest, index or image configuration.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text = fuzz::as_text(data, size);
    auto manifest = read<spec::Manifest>(text, spec::parse_manifest, spec::print_manifest);
    auto index = read<spec::Index>(text, spec::parse_index, spec::print_index);
    auto config = read<spec::ImageConfig>(text, spec::parse_image_config, spec::print_image_config);
    require(!manifest || !index, "no document is of two kinds");
    if (manifest) {
        check_descriptor(manifest->config);
        for (const spec::Descriptor& layer : manifest->layers) check_descriptor(layer);
    }
    if (index) {
        for (const spec::Descriptor& entry : index->manifests) check_descriptor(entry);
        const spec::Descriptor* chosen = spec::select_platform(*index, spec::Platform::host());
        require(chosen == nullptr || !chosen->platform || chosen->platform->satisfies(spec::Platform::host()),
                "what is chosen runs here");
    }
    if (config) {
        std::vector<Digest> chain = spec::chain_ids(config->rootfs.diff_ids);
        require(chain.size() == config->rootfs.diff_ids.size(), "each layer has a chain id");
    }
    return 0;
}
