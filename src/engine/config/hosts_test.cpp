// SPDX-License-Identifier: Apache-2.0
#include "engine/config/hosts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace berth::engine {
namespace {

TEST(HostTest, FillsInWhatIsMissing) {
    EXPECT_EQ(normalize_host("", false), "unix:///run/berth.sock");
    EXPECT_EQ(normalize_host("", true), "tcp://localhost:2376");
    EXPECT_EQ(normalize_host("unix://", false), "unix:///run/berth.sock");
    EXPECT_EQ(normalize_host(" unix:///run/x.sock ", false), "unix:///run/x.sock");
    EXPECT_EQ(normalize_host("fd://", false), "fd://");
    EXPECT_EQ(normalize_host("fd://3", false), "fd://3");
    EXPECT_EQ(normalize_host("tcp://", false), "tcp://localhost:2375");
    EXPECT_EQ(normalize_host("tcp://:7777", false), "tcp://localhost:7777");
    EXPECT_EQ(normalize_host("tcp://0.0.0.0", true), "tcp://0.0.0.0:2376");
    EXPECT_EQ(normalize_host("127.0.0.1:1", false), "tcp://127.0.0.1:1");
    EXPECT_EQ(normalize_host("tcp://[::1]:5", false), "tcp://[::1]:5");
    EXPECT_EQ(normalize_host("tcp://[::1]", false), "tcp://[::1]:2375");
}

TEST(HostTest, RefusesInDockersWords) {
    for (const char* bad : {"foo://x", "tcp://a:b", "tcp://1:2:3", "tcp://h:1/path", "tcp://[::1",
                            "unix://relative", "npipe:////./pipe/docker_engine", "tcp://h:99999"}) {
        try {
            normalize_host(bad, false);
            FAIL() << bad;
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
            EXPECT_THAT(error.what(), ::testing::HasSubstr("invalid bind address"));
        }
    }
}

}  // namespace
}  // namespace berth::engine
