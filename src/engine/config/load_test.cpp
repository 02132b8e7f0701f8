// SPDX-License-Identifier: Apache-2.0
#include "engine/config/load.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "engine/config/fields.h"
#include "engine/config/reload.h"
#include "sys/file.h"

namespace berth::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ConfigTest : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string name = "/tmp/berth-config-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
        file_ = folder_ + "/daemon.json";
    }
    void TearDown() override {
        ::unlink(file_.c_str());
        ::rmdir(folder_.c_str());
    }

    void write(std::string_view text) {
        UniqueFd fd = sys::open_file(file_, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        sys::write_all(fd.get(), text, file_);
    }
    DaemonConfig load(FlagValues flags = {}) { return load_config({std::move(flags), file_, true}); }
    std::string failure(FlagValues flags = {}) {
        try {
            load(std::move(flags));
        } catch (const Error& error) {
            return error.what();
        }
        return "";
    }

    std::string folder_, file_;
};

TEST_F(ConfigTest, EveryOptionHasAMemberOrIsKnownToHaveNone) {
    DaemonConfig config;
    for (const Option& option : kOptions) {
        bool has_member = !std::holds_alternative<std::monostate>(target_of(config, option.file_key()));
        bool needs_none =
            option.hidden || option.kind == Option::Kind::ignored || option.key == "host-gateway-ip";
        EXPECT_TRUE(has_member || needs_none) << option.file_key();
    }
}

TEST_F(ConfigTest, AnEmptyFileGivesTheDefaults) {
    write(" \n");
    DaemonConfig config = load();
    EXPECT_THAT(config.hosts, ElementsAre("unix:///run/berth.sock"));
    EXPECT_EQ(config.data_root, "/var/lib/berth");
    EXPECT_TRUE(config.live_restore);
    EXPECT_TRUE(config.cgroup_parent.starts_with("/berth-"));
    EXPECT_EQ(config.cgroup_parent.size(), 15u);
    EXPECT_FALSE(config.default_cgroupns_mode.empty());
    EXPECT_FALSE(config.tls.enabled);
}

TEST_F(ConfigTest, TheDefaultFileMayBeAbsent) {
    EXPECT_EQ(load_config({{}, file_, false}).log_driver, "json-file");
    EXPECT_EQ(failure(), "unable to configure the Docker daemon with file " + file_ + ": open " + file_ +
                             ": no such file or directory");
}

TEST_F(ConfigTest, ReadsEveryKindOfValue) {
    write(R"({
        "debug": true, "hosts": ["unix:///x.sock"], "labels": ["b=2", "a=1", "a=1"],
        "log-opts": {"max-size": "10m"}, "default-shm-size": "1g", "max-concurrent-downloads": 7,
        "default-ulimits": {"nofile": {"Name": "nofile", "Hard": 64000, "soft": 1000}},
        "runtimes": {"kata": {"path": "/usr/bin/kata", "runtimeArgs": ["--x"]}}, "default-runtime": "kata",
        "default-address-pools": [{"base": "10.10.0.0/16", "size": 24}], "features": {"buildkit": false},
        "proxies": {"http-proxy": "http://p:1"}, "live-restore": false, "builder": {"gc": {"enabled": true}},
        "default-publish-ip": ["127.0.0.1", "::1"], "forward-accept": false,
        "default-network-opts": {"bridge": {"mtu": "9"}}, "registry-mirrors": ["http://m:5000"]})");
    DaemonConfig config = load();
    EXPECT_TRUE(config.debug);
    EXPECT_THAT(config.hosts, ElementsAre("unix:///x.sock"));
    EXPECT_THAT(config.labels, ElementsAre("a=1", "b=2"));
    EXPECT_EQ(config.log_options["max-size"], "10m");
    EXPECT_EQ(config.default_shm_size, int64_t{1} << 30);
    EXPECT_EQ(config.max_concurrent_downloads, 7);
    EXPECT_EQ(config.default_ulimits["nofile"].hard, 64000);
    EXPECT_EQ(config.default_ulimits["nofile"].soft, 1000);
    EXPECT_EQ(config.runtimes["kata"].path, "/usr/bin/kata");
    EXPECT_EQ(config.default_runtime, "kata");
    EXPECT_EQ(config.network.address_pools.at(0).size, 24);
    EXPECT_FALSE(config.features.at("buildkit"));
    EXPECT_EQ(config.http_proxy, "http://p:1");
    EXPECT_FALSE(config.live_restore);
    EXPECT_EQ(config.network.default_options["bridge"]["mtu"], "9");
    EXPECT_THAT(config.network.publish_addresses, ElementsAre("127.0.0.1", "::1"));
    EXPECT_FALSE(config.network.forward_accept);
    EXPECT_THAT(config.registry_mirrors, ElementsAre("http://m:5000/"));
}

TEST_F(ConfigTest, RefusesUnknownKeys) {
    write(R"({"foo": 1, "debug": true, "group2": {"bar": 2}})");
    EXPECT_EQ(failure(), "unable to configure the Docker daemon with file " + file_ +
                             ": the following directives don't match any configuration option: foo, bar");
}

TEST_F(ConfigTest, RefusesWhatIsInBothPlaces) {
    write(R"({"hosts": ["unix:///a.sock", "fd://"], "log-opts": {"b": "1", "a": "2"}})");
    EXPECT_EQ(
        failure({{"host", {"unix:///x.sock"}}, {"log-opt", {"c=3"}}}),
        "unable to configure the Docker daemon with file " + file_ +
            ": the following directives are specified both as a flag and in the configuration file: hosts: "
            "(from flag: [unix:///x.sock], from file: [unix:///a.sock fd://]), log-opts: (from flag: "
            "map[c:3], from file: map[a:2 b:1])");
}

TEST_F(ConfigTest, RuntimesOfBothPlacesAreTakenTogether) {
    write(R"({"runtimes": {"a": {"path": "/a"}}})");
    DaemonConfig config = load({{"add-runtime", {"b=/b"}}});
    EXPECT_EQ(config.runtimes.size(), 2u);
}

TEST_F(ConfigTest, RefusesWrongTypesInGosWords) {
    write(R"({"debug": "x"})");
    EXPECT_THAT(failure(),
                HasSubstr("json: cannot unmarshal string into Go struct field Config.debug of type bool"));
    write(R"({"labels": "x"})");
    EXPECT_THAT(failure(), HasSubstr("Config.labels of type []string"));
    write(R"({"mtu": 1.5})");
    EXPECT_THAT(failure(), HasSubstr("cannot unmarshal number into Go struct field Config.mtu of type int"));
}

TEST_F(ConfigTest, RefusesImpossibleValues) {
    write("{}");
    EXPECT_THAT(failure({{"max-concurrent-downloads", {"-1"}}}),
                HasSubstr("invalid max concurrent downloads: -1"));
    EXPECT_THAT(failure({{"default-ipc-mode", {"host"}}}),
                HasSubstr("IPC mode \"host\" is not supported as default"));
    EXPECT_THAT(failure({{"default-runtime", {"zz"}}}),
                HasSubstr("specified default runtime 'zz' does not exist"));
    EXPECT_THAT(failure({{"exec-opt", {"x=y"}}}), HasSubstr("invalid exec-opt (x=y): unknown option: 'x'"));
    EXPECT_THAT(failure({{"storage-driver", {"zfs"}}}), HasSubstr("driver not supported: zfs"));
    EXPECT_THAT(failure({{"default-publish-ip", {"here"}}}),
                HasSubstr("IP address is not correctly formatted: here"));
    EXPECT_THAT(failure({{"default-publish-ip", {"10.0.0.1", "10.0.0.2"}}}),
                HasSubstr("--default-publish-ip can be given once for IPv4 and once for IPv6"));
    EXPECT_THAT(failure({{"log-level", {"zz"}}}), HasSubstr("invalid logging level: zz"));
    EXPECT_THAT(failure({{"label", {"a=1", "a=2"}}}), HasSubstr("conflict labels for a=2 and a=1"));
    EXPECT_EQ(failure({{"label", {"x"}}}),
              "invalid argument \"x\" for \"--label\" flag: bad attribute format: x");
    EXPECT_EQ(failure({{"add-runtime", {"runc=/x"}}}),
              "invalid argument \"runc=/x\" for \"--add-runtime\" flag: runtime name 'runc' is reserved");
    EXPECT_THAT(failure({{"default-ulimit", {"nofile=x"}}}), HasSubstr("strconv.ParseInt: parsing \"x\""));
    EXPECT_THAT(failure({{"default-ulimit", {"nofile=3:2"}}}),
                HasSubstr("must be less than or equal to hard limit"));
}

TEST_F(ConfigTest, TlsverifyMeansTlsAndTlsMeansVerification) {
    write("{}");
    EXPECT_TRUE(load({{"tls", {"true"}}}).tls.verify);
    DaemonConfig unverified = load({{"tlsverify", {"false"}}});
    EXPECT_TRUE(unverified.tls.enabled);
    EXPECT_FALSE(unverified.tls.verify);
    EXPECT_TRUE(unverified.allow_insecure_tcp);
    EXPECT_THAT(load({{"tlsverify", {"true"}}}).hosts, ElementsAre("tcp://localhost:2376"));
    EXPECT_TRUE(load({{"tls", {"false"}}}).allow_insecure_tcp);
}

TEST_F(ConfigTest, ReloadChangesWhatMayChange) {
    write(R"({"debug": false, "labels": ["a=1"], "max-concurrent-uploads": 9, "exec-root": "/x"})");
    ConfigSources sources{{{"group", {"root"}}}, file_, true};
    DaemonConfig first = load_config(sources);
    EXPECT_EQ(first.max_concurrent_uploads, 9);
    write(
        R"({"debug": true, "labels": ["b=2"], "exec-root": "/y", "live-restore": false, "shutdown-timeout": 3})");
    DaemonConfig next = reload_config(first, sources);
    EXPECT_TRUE(next.debug);
    EXPECT_THAT(next.labels, ElementsAre("b=2"));
    EXPECT_EQ(next.max_concurrent_uploads, 5);
    EXPECT_EQ(next.exec_root, "/x");
    EXPECT_FALSE(next.live_restore);
    EXPECT_EQ(next.shutdown_timeout, 3);
    EXPECT_EQ(next.group, "root");
    EXPECT_EQ(reload_attributes(next)["labels"], "[\"b=2\"]");

    write(R"({"default-runtime": "none"})");
    EXPECT_THROW(reload_config(next, sources), Error);
}

}  // namespace
}  // namespace berth::engine
