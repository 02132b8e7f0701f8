// SPDX-License-Identifier: Apache-2.0
#include "api/image_names.h"

#include <gtest/gtest.h>

namespace berth::api {
namespace {

constexpr const char* kDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(ImageNames, OfPulls) {
    EXPECT_EQ(pull_reference("busybox", "1.36").familiar(), "busybox:1.36");
    EXPECT_EQ(pull_reference("busybox:1.35", "1.36").familiar(), "busybox:1.36");
    EXPECT_EQ(pull_reference("busybox", kDigest).familiar(), std::string("busybox@") + kDigest);
    EXPECT_EQ(pull_reference(std::string("busybox@") + kDigest, "latest").familiar(),
              std::string("busybox@") + kDigest);
    EXPECT_EQ(pull_reference("localhost:5000/x", "").familiar(), "localhost:5000/x");
    EXPECT_FALSE(pull_reference("busybox:", "").tag());
    EXPECT_THROW(pull_reference("Busy", "1"), Error);
    EXPECT_THROW(pull_reference("busybox", "no tag"), Error);
    try {
        pull_reference("scratch", "latest");
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::forbidden);
    }
}

TEST(ImageNames, OfTags) {
    EXPECT_FALSE(tag_reference("", "x"));
    EXPECT_EQ(tag_reference("web", "")->familiar(), "web:latest");
    EXPECT_EQ(tag_reference("web:1", "")->familiar(), "web:1");
    EXPECT_EQ(tag_reference("localhost:5000/web", "2")->familiar(), "localhost:5000/web:2");
    EXPECT_THROW(tag_reference(std::string("web@") + kDigest, ""), Error);
}

}  // namespace
}  // namespace berth::api
