// SPDX-License-Identifier: Apache-2.0
#include "spec/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace berth::spec {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');
const std::string kOther = "sha256:" + std::string(64, 'b');

std::string descriptor(std::string_view type, int64_t size = 7) {
    return fmt::format(R"({{"mediaType":"{}","digest":"{}","size":{}}})", type, kDigest, size);
}

std::string manifest(std::string_view layers, std::string_view more = "") {
    return fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]{}}})",
                       media::kOciManifest, descriptor(media::kOciConfig), layers, more);
}

template <typename Parse>
std::string problem_of(Parse parse, std::string_view text) {
    try {
        parse(text);
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        return error.what();
    }
    return "accepted";
}

TEST(ImageSpec, KindsOfMediaTypes) {
    EXPECT_EQ(media_kind(media::kOciIndex), MediaKind::index);
    EXPECT_EQ(media_kind(media::kDockerList), MediaKind::index);
    EXPECT_EQ(media_kind(media::kDockerManifest), MediaKind::manifest);
    EXPECT_EQ(media_kind("application/vnd.oci.image.manifest.v1+json; charset=utf-8"), MediaKind::manifest);
    EXPECT_EQ(media_kind(media::kDockerConfig), MediaKind::config);
    EXPECT_EQ(media_kind(media::kOciLayerZstd), MediaKind::layer);
    EXPECT_EQ(media_kind(media::kDockerLayerGzip), MediaKind::layer);
    EXPECT_EQ(media_kind(media::kDockerForeignLayer), MediaKind::foreign_layer);
    EXPECT_EQ(media_kind("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
              MediaKind::foreign_layer);
    EXPECT_EQ(media_kind(media::kDockerManifestV1Signed), MediaKind::schema1);
    EXPECT_EQ(media_kind("text/plain"), MediaKind::other);
    EXPECT_EQ(media_kind(media::kOciEmpty), MediaKind::other);
    EXPECT_EQ(media_kind(""), MediaKind::other);
}

TEST(ImageSpec, ManifestsRoundTrip) {
    std::string text = manifest(
        descriptor(media::kOciLayerGzip) + ',' +
            fmt::format(
                R"({{"mediaType":"{}","digest":"{}","size":0,"urls":["https://x"],"annotations":{{"a":"b"}},)"
                R"("data":"","platform":{{"architecture":"arm","os":"linux","variant":"v7"}}}})",
                media::kDockerForeignLayer, kOther),
        fmt::format(R"(,"subject":{},"annotations":{{"k":"v"}})", descriptor(media::kOciManifest)));
    Manifest parsed = parse_manifest(text);
    ASSERT_EQ(parsed.layers.size(), 2u);
    EXPECT_EQ(parsed.layers[1].digest.text(), kOther);
    EXPECT_EQ(parsed.layers[1].platform->variant, "v7");
    EXPECT_EQ(parsed.subject->size, 7);
    std::string printed = print_manifest(parsed);
    EXPECT_EQ(print_manifest(parse_manifest(printed)), printed);
    size_t data = text.find(R"("data":"",)");
    EXPECT_EQ(printed, text.replace(data, 10, ""));
}

TEST(ImageSpec, RequiredListsAreWrittenThoughEmpty) {
    Manifest empty = parse_manifest(manifest("", R"(,"annotations":{"k":"v"})"));
    EXPECT_EQ(print_manifest(empty), manifest("", R"(,"annotations":{"k":"v"})"));
    EXPECT_EQ(print_index({}), R"({"schemaVersion":2,"manifests":[]})");
    EXPECT_EQ(print_image_config({}), R"({"config":{},"rootfs":{"type":"layers","diff_ids":[]}})");
}

TEST(ImageSpec, RefusesBadManifests) {
    auto problem = [](std::string_view text) { return problem_of(parse_manifest, text); };
    EXPECT_THAT(problem(""), testing::StartsWith("not valid JSON"));
    EXPECT_EQ(problem("[]"), "expected an object, found an array");
    EXPECT_EQ(problem("{}"), "schemaVersion: missing");
    EXPECT_EQ(problem(R"({"schemaVersion":1,"fsLayers":[]})"), "schemaVersion: 1 is not supported");
    EXPECT_EQ(problem(R"({"schemaVersion":2,"config":{}})"), "layers: missing");
    EXPECT_EQ(problem(R"({"schemaVersion":2,"layers":[]})"), "config.mediaType: missing");
    EXPECT_EQ(problem(manifest("", R"(,"manifests":[])")),
              R"(manifests: not allowed in a document with "layers")");
    EXPECT_EQ(problem(fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[]}})",
                                  media::kOciIndex, descriptor(media::kOciConfig))),
              fmt::format(R"(mediaType: unexpected "{}")", media::kOciIndex));
    EXPECT_EQ(problem(manifest(descriptor(media::kOciLayer, -1))),
              "layers[0].size: the number -1 is negative");
    EXPECT_EQ(problem(manifest("{}")), "layers[0].mediaType: missing");
    EXPECT_EQ(problem(manifest(R"({"mediaType":"a"})")), "layers[0].digest: missing");
    EXPECT_EQ(problem(manifest(R"({"mediaType":"a","digest":"sha256:../x"})")),
              R"(layers[0].digest: invalid digest "sha256:../x": invalid checksum digest length)");
    EXPECT_EQ(problem(manifest(R"({"mediaType":"a","size":1e30})")),
              "layers[0].size: expected an integer, found a number");
    EXPECT_EQ(problem(manifest("", R"(,"subject":{})")), "subject.mediaType: missing");
    EXPECT_THAT(problem(std::string((4 << 20) + 1, ' ')),
                testing::StartsWith("the document has 4194305 bytes"));

    std::string many;
    for (int i = 0; i <= 10'000; ++i) many += (i == 0 ? "" : ",") + descriptor("a");
    EXPECT_EQ(problem(manifest(many)), "layers: 10001 entries, more than 10000");
}

Index index_of(std::initializer_list<std::string_view> platforms) {
    Index index;
    for (std::string_view text : platforms) {
        Descriptor entry{.mediaType = std::string(media::kOciManifest), .digest = Digest::parse(kDigest)};
        if (text == "unknown/unknown")
            entry.platform = Platform{.architecture = "unknown", .os = "unknown"};
        else if (!text.empty())
            entry.platform = Platform::parse(text);
        index.manifests.push_back(entry);
    }
    return index;
}

TEST(ImageSpec, SelectsThePlatform) {
    auto selected = [](const Index& index, std::string_view wanted) -> int {
        const Descriptor* entry = select_platform(index, Platform::parse(wanted));
        return entry == nullptr ? -1 : static_cast<int>(entry - index.manifests.data());
    };
    Index index = index_of({"unknown/unknown", "linux/arm/v5", "linux/386", "linux/arm/v7", "linux/amd64/v2",
                            "linux/amd64", "linux/arm64", "windows/amd64", "linux/amd64"});
    EXPECT_EQ(selected(index, "linux/amd64"), 5);
    EXPECT_EQ(selected(index, "linux/amd64/v3"), 4);
    EXPECT_EQ(selected(index, "linux/arm64/v8"), 6);
    EXPECT_EQ(selected(index, "linux/arm"), 3);
    EXPECT_EQ(selected(index, "linux/arm/v6"), 1);
    EXPECT_EQ(selected(index, "windows/amd64"), 7);
    EXPECT_EQ(selected(index, "linux/s390x"), -1);
    EXPECT_EQ(selected(index_of({"linux/386"}), "linux/amd64"), 0);
    EXPECT_EQ(selected(index_of({"linux/arm/v6", "", "unknown/unknown"}), "linux/amd64"), 1);
    EXPECT_EQ(selected(index_of({"", "linux/amd64"}), "linux/amd64"), 1);
    EXPECT_EQ(selected(index_of({"unknown/unknown"}), "linux/amd64"), -1);

    Index others = index_of({"linux/amd64", "linux/amd64", "linux/amd64"});
    others.manifests[0].annotations["vnd.docker.reference.type"] = "attestation-manifest";
    others.manifests[1].mediaType = "application/x";
    EXPECT_EQ(selected(others, "linux/amd64"), 2);
    others.manifests[2].artifactType = "application/x";
    EXPECT_EQ(selected(others, "linux/amd64"), -1);
}

TEST(ImageSpec, Indexes) {
    std::string text =
        fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","artifactType":"a/b","manifests":[{}]}})",
                    media::kDockerList, descriptor(media::kDockerManifest));
    EXPECT_EQ(print_index(parse_index(text)), text);
    EXPECT_EQ(problem_of(parse_index, manifest("")), R"(layers: not allowed in a document with "manifests")");
    EXPECT_EQ(problem_of(parse_index, R"({"schemaVersion":2})"), "manifests: missing");
}

TEST(ImageSpec, ImageConfigs) {
    std::string text = fmt::format(
        R"({{"created":"2024-01-01T00:00:00Z","author":"me","architecture":"amd64","os":"linux","os.version":"1",)"
        R"("config":{{"User":"app","ExposedPorts":{{"80/tcp":{{}}}},"Env":["A=b"],"Entrypoint":["/e"],"Cmd":[],)"
        R"("Healthcheck":{{"Test":["CMD","x"],"Interval":30000000000}},"Volumes":{{"/v":{{}}}},"WorkingDir":"/w",)"
        R"("Labels":{{"l":"1"}},"StopSignal":"SIGTERM","StopTimeout":3,"Shell":["sh"]}},)"
        R"("rootfs":{{"type":"layers","diff_ids":["{0}","{1}"]}},)"
        R"("history":[{{"created":"2024-01-01T00:00:00Z","created_by":"RUN x"}},{{"created_by":"ENV","empty_layer":true}}]}})",
        kDigest, kOther);
    ImageConfig config = parse_image_config(text);
    EXPECT_EQ(config.os_version, "1");
    EXPECT_EQ(config.config.Healthcheck_->Interval, 30'000'000'000);
    EXPECT_EQ(config.config.Cmd, std::vector<std::string>());
    EXPECT_TRUE(config.history[1].empty_layer);
    EXPECT_EQ(print_image_config(config), text);

    auto problem = [](std::string_view bad) { return problem_of(parse_image_config, bad); };
    EXPECT_EQ(problem("{}"), "rootfs: missing");
    EXPECT_EQ(problem(R"({"rootfs":{"type":"x"}})"), R"(rootfs.type: unknown type "x")");
    EXPECT_EQ(problem(R"({"rootfs":{"diff_ids":[""]}})"), "rootfs.diff_ids[0]: missing");
    EXPECT_EQ(problem(R"({"rootfs":{},"config":{"Env":"A"}})"),
              "config.Env: expected an array, found a string");
    // As Docker and old builders write them.
    EXPECT_EQ(
        problem(
            R"({"rootfs":{"type":"layers","diff_ids":null},"config":{"Cmd":null,"Labels":null},"container":"x"})"),
        "accepted");
    EXPECT_EQ(problem(R"({"rootfs":{"type":"layers"},"history":[{},{},{}]})"), "accepted");
}

TEST(ImageSpec, ChainIds) {
    Digest a = Digest::parse(kDigest), b = Digest::parse(kOther);
    EXPECT_TRUE(chain_ids({}).empty());
    std::vector<Digest> chain = chain_ids({a, b, a});
    ASSERT_EQ(chain.size(), 3u);
    EXPECT_EQ(chain[0], a);
    EXPECT_EQ(chain[1], Digest::of(kDigest + ' ' + kOther));
    EXPECT_EQ(chain[2], Digest::of(chain[1].text() + ' ' + kDigest));
}

}  // namespace
}  // namespace berth::spec
