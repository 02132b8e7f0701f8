// SPDX-License-Identifier: Apache-2.0
#include "spec/platform.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"

namespace berth::spec {
namespace {

TEST(Platform, Parses) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"linux/amd64", "linux/amd64"},
        {"linux/x86_64", "linux/amd64"},
        {"Linux/AMD64", "linux/amd64"},
        {"amd64", "linux/amd64"},
        {"x86-64", "linux/amd64"},
        {"i386", "linux/386"},
        {"linux/amd64/v1", "linux/amd64"},
        {"linux/amd64/v3", "linux/amd64/v3"},
        {"aarch64", "linux/arm64"},
        {"linux/arm64", "linux/arm64"},
        {"linux/arm64/v8", "linux/arm64/v8"},
        {"linux/aarch64/8", "linux/arm64/v8"},
        {"arm", "linux/arm"},
        {"armhf", "linux/arm"},
        {"armel", "linux/arm/v6"},
        {"linux/arm/7", "linux/arm/v7"},
        {"linux/arm/v5", "linux/arm/v5"},
        {"macos/arm64", "darwin/arm64"},
        {"windows/amd64", "windows/amd64"},
        {"plan10/foo", "plan10/foo"},
        {"s390x", "linux/s390x"},
    };
    for (auto [text, canonical] : cases) EXPECT_EQ(Platform::parse(text).text(), canonical) << text;
    EXPECT_EQ(Platform::parse("linux"), Platform::host());
    EXPECT_EQ(Platform::parse("freebsd").architecture, Platform::host().architecture);
    EXPECT_EQ(Platform().text(), "unknown");
}

TEST(Platform, SaysWhatIsWrong) {
    auto problem_of = [](std::string_view text) -> std::string {
        try {
            Platform::parse(text);
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
            return error.what();
        }
        return "accepted";
    };
    EXPECT_EQ(problem_of("foo"), R"("foo": unknown operating system or architecture)");
    EXPECT_EQ(problem_of("a/b/c/d"), R"("a/b/c/d": cannot parse platform specifier)");
    EXPECT_EQ(problem_of(""), R"("": cannot parse platform specifier)");
    constexpr std::string_view kMust = R"(platform specifier component must match "^[A-Za-z0-9_.-]+$")";
    EXPECT_EQ(problem_of("linux/"), R"("" is an invalid component of "linux/": )" + std::string(kMust));
    EXPECT_EQ(problem_of("linux/*"), R"("*" is an invalid component of "linux/*": )" + std::string(kMust));
}

TEST(Platform, Satisfies) {
    struct Case {
        std::string_view image, wanted;
        bool runs;
    };
    const Case cases[] = {
        {"linux/amd64", "linux/amd64", true},
        {"linux/amd64/v2", "linux/amd64", false},
        {"linux/amd64", "linux/amd64/v3", true},
        {"linux/amd64/v2", "linux/amd64/v3", true},
        {"linux/386", "linux/amd64", true},
        {"linux/amd64", "linux/386", false},
        {"linux/arm64", "linux/arm64/v8", true},
        {"linux/arm64/v8", "linux/arm64", true},
        {"linux/arm64/v9", "linux/arm64", false},
        {"linux/arm64/v8.2", "linux/arm64/v9", true},
        {"linux/arm/v7", "linux/arm64", true},
        {"linux/arm64", "linux/arm/v7", false},
        {"linux/arm", "linux/arm/v7", true},
        {"linux/arm/v6", "linux/arm", true},
        {"linux/arm/v5", "linux/arm/v6", true},
        {"linux/arm/v7", "linux/arm/v6", false},
        {"windows/amd64", "linux/amd64", false},
        {"linux/s390x", "linux/amd64", false},
        {"linux/ppc64le", "linux/ppc64le/power9", true},
        {"linux/ppc64le/power9", "linux/ppc64le", false},
        {"linux/arm/vx", "linux/arm", false},
        {"linux/arm/vx", "linux/arm/vx", true},
    };
    for (const Case& c : cases)
        EXPECT_EQ(Platform::parse(c.image).satisfies(Platform::parse(c.wanted)), c.runs)
            << c.image << ' ' << c.wanted;

    Platform image = Platform::parse("windows/amd64"), wanted = image;
    image.os_version = "10.0.17763.1";
    wanted.os_version = "10.0.17763.999";
    EXPECT_TRUE(image.satisfies(wanted));
    wanted.os_version = "10.0.20348.1";
    EXPECT_FALSE(image.satisfies(wanted));
}

TEST(Platform, TheOrderOfFallbacks) {
    Platform wanted = Platform::parse("linux/arm64/v8");
    std::optional<int> last = -1;
    for (std::string_view text :
         {"linux/arm64", "linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"}) {
        std::optional<int> distance = Platform::parse(text).distance(wanted);
        ASSERT_TRUE(distance) << text;
        EXPECT_GT(*distance, *last) << text;
        last = distance;
    }
}

TEST(Platform, NamesOnTheWire) {
    std::string text =
        R"({"architecture":"amd64","os":"windows","os.version":"10.0","os.features":["win32k"],"variant":"v2"})";
    auto platform = json::decode_text<Platform>(text);
    EXPECT_EQ(platform.os_version, "10.0");
    EXPECT_EQ(platform.os_features, std::vector<std::string>{"win32k"});
    EXPECT_EQ(json::print(json::encode(platform)), text);
}

}  // namespace
}  // namespace berth::spec
