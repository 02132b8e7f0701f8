// SPDX-License-Identifier: Apache-2.0
#include "spec/runtime.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace berth::spec {
namespace {

TEST(RuntimeSpec, DecodesKeysThatAreKeywords) {
    Config config = decode_config(
        R"({"ociVersion":"1.2.0","process":{"cwd":"/","ioPriority":{"class":"IOPRIO_CLASS_BE","priority":3},
        "execCPUAffinity":{"initial":"0","final":"0-1"}},"linux":{"namespaces":[{"type":"pid"},{"type":"network","path":"/x"}]}})");
    EXPECT_EQ(config.process->ioPriority->class_, "IOPRIO_CLASS_BE");
    EXPECT_EQ(config.process->execCPUAffinity->final_, "0-1");
    ASSERT_EQ(config.linux_->namespaces.size(), 2u);
    EXPECT_EQ(config.linux_->namespaces[1].type, NamespaceType::network);
    EXPECT_EQ(config.linux_->namespaces[1].path, "/x");
}

TEST(RuntimeSpec, ErrorNamesTheField) {
    try {
        decode_config(R"({"linux":{"namespaces":[{"type":"pidd"}]}})");
        FAIL();
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "linux.namespaces[0].type: unknown value \"pidd\"");
    }
}

TEST(RuntimeSpec, RoundTripsWhatIsSet) {
    std::string text =
        R"({"ociVersion":"1.2.0","root":{"path":"rootfs","readonly":true},"linux":{"resources":{"memory":{"limit":1048576},"unified":{"memory.high":"1"}}}})";
    EXPECT_EQ(encode_config(decode_config(text)), text);
}

}  // namespace
}  // namespace berth::spec
