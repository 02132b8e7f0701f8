// SPDX-License-Identifier: Apache-2.0
#include "signal_names.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace berth::oci {
namespace {

TEST(ParseSignal, TakesNamesInAnyCaseWithOrWithoutPrefix) {
    EXPECT_EQ(parse_signal("TERM"), SIGTERM);
    EXPECT_EQ(parse_signal("SIGTERM"), SIGTERM);
    EXPECT_EQ(parse_signal("sigUsr1"), SIGUSR1);
    EXPECT_EQ(parse_signal("kill"), SIGKILL);
    EXPECT_EQ(parse_signal("CLD"), SIGCHLD);
}

TEST(ParseSignal, TakesNumbers) {
    EXPECT_EQ(parse_signal("9"), 9);
    EXPECT_EQ(parse_signal("0"), 0);
    EXPECT_EQ(parse_signal("64"), 64);
}

TEST(ParseSignal, CountsRealTimeSignalsAsProgramsSeeThem) {
    EXPECT_EQ(parse_signal("RTMIN"), SIGRTMIN);
    EXPECT_EQ(parse_signal("SIGRTMIN+3"), SIGRTMIN + 3);
    EXPECT_EQ(parse_signal("rtmax-1"), SIGRTMAX - 1);
    EXPECT_EQ(parse_signal("SIGRTMAX"), SIGRTMAX);
    for (const char* wrong : {"RTMIN-1", "RTMAX+1", "RTMIN+31", "RTMIN+", "RTMIN3", "RTMIN+-1"})
        EXPECT_EQ(parse_signal(wrong), std::nullopt) << wrong;
}

TEST(ParseSignal, RefusesOtherWords) {
    for (const char* wrong : {"", "SIG", "FOO", "TERM ", "9x"})
        EXPECT_EQ(parse_signal(wrong), std::nullopt) << wrong;
}

}  // namespace
}  // namespace berth::oci
