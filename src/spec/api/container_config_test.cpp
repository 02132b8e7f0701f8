// SPDX-License-Identifier: Apache-2.0
#include "spec/api/container_config.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "spec/api/samples_fixture.h"

namespace berth::spec::api {
namespace {

ContainerCreateRequest decode(std::string_view text) {
    return decode_container_create_request(json::parse(text));
}

std::string message_of(std::string_view text) {
    try {
        decode(text);
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        return error.what();
    }
    return "no error";
}

TEST(ContainerConfigTest, TheCliRequestComesBackAsItWas) {
    json::Value sent = json::parse(sample::kCreate);
    json::Value back = encode_container_create_request(decode_container_create_request(sent));
    EXPECT_EQ(back, sent) << json::print(back);
}

TEST(ContainerConfigTest, ReadsTheCliRequest) {
    ContainerCreateRequest request = decode(sample::kCreate);
    EXPECT_EQ(request.Image, "bb");
    EXPECT_EQ(request.Cmd, (Strings{"sleep", "1000"}));
    EXPECT_FALSE(request.Entrypoint);
    EXPECT_TRUE(request.ExposedPorts.contains("80/tcp"));
    ASSERT_TRUE(request.HostConfig_);
    const HostConfig& host = *request.HostConfig_;
    EXPECT_EQ(host.Memory, 64 << 20);
    EXPECT_EQ(host.RestartPolicy_.MaximumRetryCount, 3);
    EXPECT_EQ(host.MemorySwappiness, -1);
    EXPECT_EQ(host.Init, true);
    EXPECT_FALSE(host.MaskedPaths);
    ASSERT_TRUE(host.PortBindings && host.PortBindings->at("80/tcp"));
    EXPECT_EQ(host.PortBindings->at("80/tcp")->front().HostPort, "8080");
    ASSERT_EQ(host.Mounts.size(), 1U);
    EXPECT_EQ(host.Mounts[0].BindOptions_->Propagation, "rslave");
    EXPECT_EQ(items(host.Ulimits).front().Soft, 100);
    EXPECT_TRUE(items(host.GroupAdd).empty());
}

TEST(ContainerConfigTest, StringsAreListsOfOne) {
    ContainerCreateRequest request =
        decode(R"({"Cmd":"ls -l","Entrypoint":"","Shell":"sh","Healthcheck":{"Test":"NONE"}})");
    EXPECT_EQ(request.Cmd, Strings{"ls -l"});
    EXPECT_EQ(request.Entrypoint, Strings{""});
    EXPECT_EQ(request.Shell, Strings{"sh"});
    EXPECT_EQ(request.Healthcheck->Test, Strings{"NONE"});
}

TEST(ContainerConfigTest, NullAndEmptyDiffer) {
    ContainerCreateRequest request =
        decode(R"({"Entrypoint":[],"HostConfig":{"MaskedPaths":[],"ReadonlyPaths":null,"Binds":null}})");
    EXPECT_TRUE(request.Entrypoint && request.Entrypoint->empty());
    EXPECT_FALSE(request.Cmd);
    EXPECT_TRUE(request.HostConfig_->MaskedPaths);
    EXPECT_FALSE(request.HostConfig_->ReadonlyPaths);
    std::string text = json::print(encode_host_config(*request.HostConfig_));
    EXPECT_NE(text.find(R"("MaskedPaths":[])"), std::string::npos) << text;
    EXPECT_NE(text.find(R"("ReadonlyPaths":null)"), std::string::npos) << text;
    EXPECT_EQ(text.find("\"Init\""), std::string::npos) << text;
    EXPECT_EQ(text.find("KernelMemory"), std::string::npos) << text;
}

TEST(ContainerConfigTest, KeysOfAnyCaseAndUnknownOnes) {
    ContainerCreateRequest request = decode(
        R"({"image":"x","TTY":true,"Tty":false,"cmd":"a","Foo":{},"hostconfig":{"memory":5,"Bar":1}})");
    EXPECT_EQ(request.Image, "x");
    EXPECT_FALSE(request.Tty);
    EXPECT_EQ(request.Cmd, Strings{"a"});
    EXPECT_EQ(request.HostConfig_->Memory, 5);
}

TEST(ContainerConfigTest, WrongTypesAreNamed) {
    EXPECT_EQ(message_of(R"({"Image":5})"), "Image: expected a string, found a number");
    EXPECT_EQ(message_of(R"({"Cmd":[1]})"), "Cmd[0]: expected a string, found a number");
    EXPECT_EQ(message_of(R"({"HostConfig":{"Memory":"1g"}})").substr(0, 18), "HostConfig.Memory:");
    EXPECT_EQ(message_of(R"({"HostConfig":{"BlkioWeight":70000}})"),
              "HostConfig.BlkioWeight: the number 70000 is out of range");
    EXPECT_EQ(message_of(R"({"HostConfig":[]})").substr(0, 11), "HostConfig:");
}

TEST(ContainerConfigTest, ConsoleSizeHasTwoNumbers) {
    EXPECT_EQ(decode(R"({"HostConfig":{"ConsoleSize":[24]}})").HostConfig_->ConsoleSize,
              (std::vector<uint64_t>{24, 0}));
    EXPECT_EQ(decode(R"({"HostConfig":{}})").HostConfig_->ConsoleSize, (std::vector<uint64_t>{0, 0}));
    auto exec = decode_exec_create_request(json::parse(R"({"Cmd":"ls","ConsoleSize":[24,80,1]})"));
    EXPECT_EQ(exec.Cmd, Strings{"ls"});
    EXPECT_EQ(exec.ConsoleSize, (std::vector<uint64_t>{24, 80}));
    EXPECT_FALSE(decode_exec_start_request(json::parse("{}")).ConsoleSize);
}

TEST(ContainerConfigTest, UpdateIsFlat) {
    auto request = decode_update_request(json::parse(
        R"({"Memory":73400320,"MemorySwap":-1,"RestartPolicy":{"Name":"always"},"PidsLimit":null})"));
    EXPECT_EQ(request.Memory, 73400320);
    EXPECT_EQ(request.MemorySwap, -1);
    EXPECT_EQ(request.RestartPolicy_.Name, "always");
    EXPECT_FALSE(request.PidsLimit);
}

}  // namespace
}  // namespace berth::spec::api
