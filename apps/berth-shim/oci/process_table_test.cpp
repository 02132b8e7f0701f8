// SPDX-License-Identifier: Apache-2.0
#include "process_table.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace berth::oci {
namespace {

TEST(FilterProcessTable, KeepsTheHeadingAndTheContainersLines) {
    EXPECT_EQ(filter_process_table("UID   PID  CMD\nroot   12  a 3\nroot   3   b\nroot   1   c\n", {3, 1}),
              "UID   PID  CMD\nroot   3   b\nroot   1   c\n");
}

TEST(FilterProcessTable, NeedsAPidColumn) {
    EXPECT_THROW(filter_process_table("CMD\nsh\n", {1}), Error);
    EXPECT_THROW(filter_process_table("", {1}), Error);
}

}  // namespace
}  // namespace berth::oci
