// SPDX-License-Identifier: Apache-2.0
#include "cli/container/top_view.h"

#include <gtest/gtest.h>

namespace berth::cli {
namespace {

constexpr std::string_view kWeb = R"({"Titles": ["PID", "%CPU", "COMMAND"],
    "Processes": [["1", "0.5", "sleep 9"], ["2", "12.0", "busy"], ["3", "0.5", "later"]]})";

std::string text_of(std::string_view answer) {
    TopView view(false);
    view.add("", json::parse(answer));
    return view.text();
}

TEST(TopView, ShowsWhoUsesTheProcessorFirst) {
    EXPECT_EQ(text_of(kWeb),
              "PID  %CPU  COMMAND\n"
              "2    12.0  busy\n"
              "1    0.5   sleep 9\n"
              "3    0.5   later\n");
    EXPECT_EQ(text_of(R"({"Titles": ["PID", "C", "CMD"], "Processes": [["1", "0", "a"], ["2", "99", "b"]]})"),
              "PID  C   CMD\n"
              "2    99  b\n"
              "1    0   a\n");
}

TEST(TopView, KeepsTheOrderWhereNoColumnTells) {
    EXPECT_EQ(text_of(R"({"Titles": ["PID", "CMD"], "Processes": [["2", "b"], ["1", "a"]]})"),
              "PID  CMD\n"
              "2    b\n"
              "1    a\n");
}

TEST(TopView, GroupsByName) {
    TopView view(true);
    view.add("web10", json::parse(R"({"Titles": ["PID", "%CPU"], "Processes": [["7", "99.9"]]})"));
    view.add("web2",
             json::parse(R"({"Titles": ["PID", "%CPU"], "Processes": [["8", "0.0"], ["9", "1.0"]]})"));
    EXPECT_EQ(view.text(),
              "CONTAINER  PID  %CPU\n"
              "web2       9    1.0\n"
              "web2       8    0.0\n"
              "web10      7    99.9\n");
}

TEST(TopView, LetsNoProcessDriveTheTerminal) {
    EXPECT_EQ(text_of(R"({"Titles": ["PID\n", "CMD\u001b[2J"],
                         "Processes": [["1", "\u001b[31m\u001b]0;x\u0007\ta\nb\u009b2J"]]})"),
              "PID?  CMD?[2J\n"
              "1     ?[31m?]0;x??a?b?2J\n");
}

TEST(TopView, TakesAnswersThatAreNone) {
    EXPECT_EQ(text_of("null"), "\n");
    EXPECT_EQ(text_of(R"({"Titles": 1, "Processes": [1, ["x"]]})"), "\n\nx\n");
}

}  // namespace
}  // namespace berth::cli
