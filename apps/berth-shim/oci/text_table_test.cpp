// SPDX-License-Identifier: Apache-2.0
#include "text_table.h"

#include <gtest/gtest.h>

namespace berth::oci {
namespace {

TEST(TextTable, AlignsColumnsButTheLast) {
    TextTable table({.min_width = 6, .padding = 3});
    table.add({"ID", "P", "X"});
    table.add({"longer", "1", "y"});
    EXPECT_EQ(table.text(), "ID       P     X\nlonger   1     y\n");
}

TEST(TextTable, CountsCharacters) {
    TextTable table({.padding = 1, .indent = "  "});
    table.add({"µ", "a"});
    table.add({"m", "b"});
    EXPECT_EQ(table.text(), "  µ a\n  m b\n");
}

}  // namespace
}  // namespace berth::oci
