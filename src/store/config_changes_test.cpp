// SPDX-License-Identifier: Apache-2.0
#include "store/config_changes.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace berth::store {
namespace {

using Words = std::vector<std::string>;

spec::ImageRunConfig changed(const Words& changes, spec::ImageRunConfig config = {}) {
    apply_changes(config, changes);
    return config;
}

std::string error_of(const std::string& change) {
    try {
        changed({change});
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        return error.what();
    }
    return "no error";
}

TEST(ConfigChanges, CommandsHaveTwoForms) {
    EXPECT_EQ(changed({R"(CMD ["a", "b c"])"}).Cmd, (Words{"a", "b c"}));
    EXPECT_EQ(changed({"cmd run it"}).Cmd, (Words{"/bin/sh", "-c", "run it"}));
    EXPECT_EQ(changed({"CMD [not json"}).Cmd, (Words{"/bin/sh", "-c", "[not json"}));
    spec::ImageRunConfig config;
    config.Shell = {"/bin/bash", "-ec"};
    EXPECT_EQ(changed({"ENTRYPOINT x"}, config).Entrypoint, (Words{"/bin/bash", "-ec", "x"}));
}

TEST(ConfigChanges, AnEntrypointTakesTheOldCommandAway) {
    spec::ImageRunConfig config;
    config.Cmd = Words{"old"};
    EXPECT_FALSE(changed({R"(ENTRYPOINT ["/e"])"}, config).Cmd);
    EXPECT_EQ(changed({R"(CMD ["new"])", R"(ENTRYPOINT ["/e"])"}, config).Cmd, Words{"new"});
}

TEST(ConfigChanges, VariablesAreReplacedInPlace) {
    spec::ImageRunConfig config;
    config.Env = {"PATH=/bin", "A=1"};
    EXPECT_EQ(changed({R"(ENV A=2 B='x y' C="\"q\"" D=a\ b)", "ENV E old form"}, config).Env,
              (Words{"PATH=/bin", "A=2", "B=x y", "C=\"q\"", "D=a b", "E=old form"}));
}

TEST(ConfigChanges, PortsAndVolumesAndLabels) {
    spec::ImageRunConfig config =
        changed({"EXPOSE 80 53/udp 8000-8002", R"(VOLUME ["/a b"])", "VOLUME /c /d", "LABEL k=v"});
    Words ports, volumes;
    for (const auto& [port, value] : config.ExposedPorts) ports.push_back(port);
    for (const auto& [path, value] : config.Volumes) volumes.push_back(path);
    EXPECT_EQ(ports, (Words{"53/udp", "80/tcp", "8000/tcp", "8001/tcp", "8002/tcp"}));
    EXPECT_EQ(volumes, (Words{"/a b", "/c", "/d"}));
    EXPECT_EQ(config.Labels.at("k"), "v");
}

TEST(ConfigChanges, RelativeWorkDirsAddUp) {
    EXPECT_EQ(changed({"WORKDIR /a", "WORKDIR b/../c", "WORKDIR ./d/"}).WorkingDir, "/a/c/d");
    EXPECT_EQ(changed({"WORKDIR ../../x"}).WorkingDir, "/x");
}

TEST(ConfigChanges, HealthChecks) {
    auto check =
        changed({"HEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 CMD curl -f x"}).Healthcheck_;
    ASSERT_TRUE(check);
    EXPECT_EQ(check->Test, (Words{"CMD-SHELL", "curl -f x"}));
    EXPECT_EQ(check->Interval, 90'000'000'000);
    EXPECT_EQ(check->Timeout, 500'000'000);
    EXPECT_EQ(check->Retries, 3);
    EXPECT_EQ(changed({R"(HEALTHCHECK CMD ["a"])"}).Healthcheck_->Test, (Words{"CMD", "a"}));
    EXPECT_EQ(changed({"HEALTHCHECK NONE"}).Healthcheck_->Test, Words{"NONE"});
}

TEST(ConfigChanges, MistakesNameTheInstruction) {
    EXPECT_EQ(error_of("RUN x"), "change \"RUN x\": RUN is not a valid change command");
    EXPECT_EQ(error_of("EXPOSE 70000"), "change \"EXPOSE 70000\": invalid containerPort: 70000");
    EXPECT_EQ(error_of("USER"), "change \"USER\": USER requires at least one argument");
    EXPECT_EQ(error_of("HEALTHCHECK --interval=x CMD a"),
              "change \"HEALTHCHECK --interval=x CMD a\": time: invalid duration \"x\"");
    for (const char* bad : {"ENV a=1 b", "ENV x", "LABEL a='open", "ONBUILD FROM x", "HEALTHCHECK NONE x",
                            "EXPOSE 9-1", "EXPOSE 1/icmp", "HEALTHCHECK --interval=1x CMD a", "", "ENV =x"})
        EXPECT_NE(error_of(bad), "no error") << bad;
}

}  // namespace
}  // namespace berth::store
