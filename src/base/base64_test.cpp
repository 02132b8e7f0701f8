// SPDX-License-Identifier: Apache-2.0
#include "base/base64.h"

#include <gtest/gtest.h>

namespace berth {
namespace {

TEST(Base64, KnownAnswers) {
    // RFC 4648, section 10.
    const std::pair<std::string_view, std::string_view> cases[] = {{"", ""},
                                                                   {"f", "Zg=="},
                                                                   {"fo", "Zm8="},
                                                                   {"foo", "Zm9v"},
                                                                   {"foob", "Zm9vYg=="},
                                                                   {"fooba", "Zm9vYmE="},
                                                                   {"foobar", "Zm9vYmFy"}};
    for (auto [bytes, text] : cases) {
        EXPECT_EQ(encode_base64(bytes), text);
        EXPECT_EQ(decode_base64(text), bytes);
        EXPECT_EQ(decode_base64(text.substr(0, text.find('='))), bytes);
    }
    EXPECT_EQ(encode_base64("\xff\xef\xfe"), "/+/+");
    EXPECT_EQ(encode_base64("\xff\xef\xfe", Base64::url), "_-_-");
    EXPECT_EQ(decode_base64("_-/+"), "\xff\xef\xfe");
}

TEST(Base64, EveryByteSurvives) {
    std::string bytes;
    for (int i = 0; i < 256; ++i) {
        bytes += static_cast<char>(i);
        EXPECT_EQ(decode_base64(encode_base64(bytes)), bytes);
        EXPECT_EQ(decode_base64(encode_base64(bytes, Base64::url)), bytes);
    }
}

TEST(Base64, RefusesWhatIsMalformed) {
    for (std::string_view text :
         {"Z", "Zg=", "Zg===", "====", "=", "Zh==", "Zm9=", "Zm 9v", "Zm9v\n", "Z=g=", "Zm9v="})
        EXPECT_EQ(decode_base64(text), std::nullopt) << text;
}

}  // namespace
}  // namespace berth
