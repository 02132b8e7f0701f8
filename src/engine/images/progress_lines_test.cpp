// SPDX-License-Identifier: Apache-2.0
#include "engine/images/progress_lines.h"

#include <gtest/gtest.h>

#include <vector>

namespace berth::engine {
namespace {

using Phase = registry::Progress::Phase;

TEST(ProgressLines, FormsOfDocker) {
    EXPECT_EQ(status_line("Pulling from library/busybox", "latest"),
              "{\"status\":\"Pulling from library/busybox\",\"id\":\"latest\"}\r\n");
    EXPECT_EQ(status_line("Digest: sha256:1"), "{\"status\":\"Digest: sha256:1\"}\r\n");
    EXPECT_EQ(progress_line("abc", "Pulling fs layer", 0, 0),
              "{\"status\":\"Pulling fs layer\",\"progressDetail\":{},\"id\":\"abc\"}\r\n");
    EXPECT_EQ(progress_line("abc", "Downloading", 524288, 1048576),
              "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":524288,\"total\":1048576},"
              "\"progress\":\"[=========================>                         ]  524.3kB/1.049MB\","
              "\"id\":\"abc\"}\r\n");
    EXPECT_EQ(stream_line("Loaded image: x\n"), "{\"stream\":\"Loaded image: x\\n\"}\r\n");
    EXPECT_EQ(error_line("no \"such\""),
              "{\"errorDetail\":{\"message\":\"no \\\"such\\\"\"},\"error\":\"no \\\"such\\\"\"}\r\n");
}

TEST(ProgressLines, Bars) {
    EXPECT_EQ(progress_bar(0, 0), "");
    EXPECT_EQ(progress_bar(1500, 0), "   1.5kB");
    EXPECT_EQ(progress_bar(100, 100), "[==================================================>]     100B/100B");
    EXPECT_EQ(progress_bar(200, 100), "[==================================================>]     200B");
}

TEST(ProgressLines, NumbersAreThinnedOutButForTheLast) {
    std::vector<std::string> lines;
    ProgressLines progress([&](std::string line) { lines.push_back(std::move(line)); });
    for (uint64_t done = 1; done <= 1000; ++done) progress.show({Phase::downloading, "a", {}, done, 1000});
    progress.show({Phase::download_complete, "a", {}, 0, 0});
    ASSERT_GE(lines.size(), 3u);
    EXPECT_LT(lines.size(), 500u);
    EXPECT_NE(lines[lines.size() - 2].find("\"current\":1000"), std::string::npos);
    EXPECT_NE(lines.back().find("Download complete"), std::string::npos);
}

TEST(ProgressLines, TheResultOfAPushIsToldToProgramsToo) {
    std::vector<std::string> lines;
    ProgressLines progress([&](std::string line) { lines.push_back(std::move(line)); });
    progress.show({Phase::message, "", "latest: digest: sha256:12 size: 527", 0, 0});
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_EQ(
        lines[1],
        "{\"progressDetail\":{},\"aux\":{\"Tag\":\"latest\",\"Digest\":\"sha256:12\",\"Size\":527}}\r\n");
}

}  // namespace
}  // namespace berth::engine
