// SPDX-License-Identifier: Apache-2.0
#include "registry/server/manifest_document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/server/api_error.h"

namespace berth::registry::server {

namespace {

const std::string kConfig = Digest::of("{}").text();
const std::string kLayer = Digest::of("layer").text();

std::string descriptor(const std::string& type, const std::string& digest, const std::string& more = "") {
    return R"({"mediaType":")" + type + R"(","size":2,"digest":")" + digest + '"' + more + '}';
}

std::string image(const std::string& more = "", const std::string& layer_more = "") {
    return R"({"schemaVersion":2)" + more + R"(,"config":)" +
           descriptor("application/vnd.oci.image.config.v1+json", kConfig) + R"(,"layers":[)" +
           descriptor("application/vnd.oci.image.layer.v1.tar+gzip", kLayer, layer_more) + "]}";
}

constexpr const char* kOciManifest = "application/vnd.oci.image.manifest.v1+json";

Manifest read(std::string_view type, const std::string& text) {
    return read_manifest(type, text, Digest::of(text));
}

int status_of_refusal(std::string_view type, const std::string& text) {
    try {
        read(type, text);
    } catch (const ApiError& error) {
        EXPECT_EQ(error.problems().at(0).code, "MANIFEST_INVALID");
        return error.status();
    }
    return 0;
}

TEST(ManifestDocument, ReferencesAndArtifactType) {
    Manifest manifest = read(kOciManifest, image());
    EXPECT_EQ(manifest.media_type, kOciManifest);
    EXPECT_EQ(manifest.artifact_type, "application/vnd.oci.image.config.v1+json");
    ASSERT_EQ(manifest.references.size(), 2u);
    for (const auto& reference : manifest.references)
        EXPECT_TRUE(reference.required && !reference.is_manifest);
    EXPECT_FALSE(manifest.subject);
}

TEST(ManifestDocument, SubjectAndAnnotations) {
    std::string subject = Digest::of("subject").text();
    Manifest manifest =
        read(kOciManifest, image(R"(,"artifactType":"a/b","annotations":{"k":"v"},"subject":)" +
                                 descriptor(kOciManifest, subject)));
    EXPECT_EQ(manifest.artifact_type, "a/b");
    EXPECT_EQ(manifest.annotations, R"({"k":"v"})");
    ASSERT_TRUE(manifest.subject);
    EXPECT_EQ(manifest.subject->text(), subject);
}

TEST(ManifestDocument, LayersWithUrlsMayBeElsewhere) {
    Manifest manifest = read(kOciManifest, image("", R"(,"urls":["https://example.com/x"])"));
    size_t required = 0;
    for (const auto& reference : manifest.references) required += reference.required;
    EXPECT_EQ(required, 1u);
}

TEST(ManifestDocument, TypeFromTheDocument) {
    EXPECT_EQ(read("", image()).media_type, kOciManifest);
    EXPECT_EQ(read("application/json", image()).media_type, kOciManifest);
    std::string docker = image(R"(,"mediaType":"application/vnd.docker.distribution.manifest.v2+json")");
    EXPECT_EQ(read("", docker).media_type, "application/vnd.docker.distribution.manifest.v2+json");
    EXPECT_EQ(read(std::string(kOciManifest) + "; charset=utf-8", image()).media_type, kOciManifest);
    EXPECT_EQ(status_of_refusal(kOciManifest, docker), 400);
}

TEST(ManifestDocument, IndexEntriesAreManifests) {
    std::string text = R"({"schemaVersion":2,"manifests":[)" + descriptor(kOciManifest, kLayer) + "]}";
    Manifest manifest = read("", text);
    EXPECT_EQ(manifest.media_type, "application/vnd.oci.image.index.v1+json");
    ASSERT_EQ(manifest.references.size(), 1u);
    EXPECT_TRUE(manifest.references[0].is_manifest);
}

TEST(ManifestDocument, RefusesWhatIsNone) {
    for (const char* text : {"", "x", "[]", "{}", R"({"schemaVersion":2,"config":{}})"})
        EXPECT_EQ(status_of_refusal(kOciManifest, text), 400) << text;
    EXPECT_EQ(status_of_refusal("text/plain", image()), 400);
    EXPECT_EQ(
        status_of_refusal("application/vnd.docker.distribution.manifest.v1+json", R"({"schemaVersion":1})"),
        400);
}

TEST(Accepted, ReadsFields) {
    EXPECT_TRUE(Accepted({}).takes("a/b"));
    EXPECT_TRUE(Accepted({"x/y, A/B;q=0.5"}).takes("a/b"));
    EXPECT_TRUE(Accepted({"x/y", "a/b"}).takes("a/b"));
    EXPECT_TRUE(Accepted({"*/*"}).takes("a/b"));
    EXPECT_TRUE(Accepted({"application/json"}).takes("a/b"));
    EXPECT_FALSE(Accepted({"x/y"}).takes("a/b"));
}

}  // namespace

}  // namespace berth::registry::server
