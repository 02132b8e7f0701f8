// SPDX-License-Identifier: Apache-2.0
#include "engine/networks/create_rules.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace berth::engine {
namespace {

using spec::api::IpamPool;
using spec::api::NetworkCreateRequest;

class CreateRulesTest : public testing::Test {
  protected:
    NetworkPlan plan(const NetworkCreateRequest& request) {
        CreateContext context{.default_options = defaults,
                              .find_configuration = [this](const std::string& name) -> const NetworkRecord* {
                                  return configuration.name == name ? &configuration : nullptr;
                              }};
        return plan_network(request, context);
    }
    std::string refusal(const NetworkCreateRequest& request, ErrorKind kind) {
        try {
            plan(request);
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), kind) << error.what();
            return error.what();
        }
        ADD_FAILURE() << "it was taken";
        return "";
    }
    static NetworkCreateRequest named(const std::string& name) {
        NetworkCreateRequest request;
        request.Name = name;
        return request;
    }
    static NetworkCreateRequest with_pool(IpamPool pool) {
        NetworkCreateRequest request = named("lan");
        request.IPAM.emplace();
        request.IPAM->Config = {std::move(pool)};
        return request;
    }
    static NetworkCreateRequest with_option(const std::string& name, const std::string& value) {
        NetworkCreateRequest request = named("lan");
        request.Options = spec::api::StringMap{{name, value}};
        return request;
    }

    std::map<std::string, std::map<std::string, std::string>> defaults;
    NetworkRecord configuration;
};

TEST_F(CreateRulesTest, MakesABridgeWithASubnetOfThePools) {
    NetworkPlan made = plan(named("lan"));
    EXPECT_EQ(made.record.driver, "bridge");
    EXPECT_TRUE(made.needs_v4);
    EXPECT_FALSE(made.needs_v6);
    EXPECT_TRUE(made.record.subnets.empty());
    EXPECT_EQ(made.record.interface, "");
    EXPECT_TRUE(made.record.has_names());
}

TEST_F(CreateRulesTest, RefusesAddressesThatNobodyCanHave) {
    for (const char* subnet : {"127.0.0.0/8", "127.5.0.0/16", "224.1.0.0/16", "240.0.0.0/8", "0.0.0.0/8",
                               "0.0.0.0/0", "112.0.0.0/4"}) {
        IpamPool pool;
        pool.Subnet = subnet;
        std::string text = refusal(with_pool(pool), ErrorKind::invalid_argument);
        EXPECT_NE(text.find(std::string("invalid subnet ") + subnet + ": it overlaps"), std::string::npos)
            << text;
    }
    IpamPool pool;
    pool.Subnet = "169.254.7.0/24";
    EXPECT_EQ(plan(with_pool(pool)).record.subnets.size(), 1U);
}

TEST_F(CreateRulesTest, RefusesTooManySubnets) {
    NetworkCreateRequest request = with_pool({});
    request.IPAM->Config.emplace().resize(257);
    EXPECT_EQ(refusal(request, ErrorKind::invalid_argument), "a network has at most 256 subnets");
}

TEST_F(CreateRulesTest, RefusesNamesThatAreNone) {
    EXPECT_EQ(refusal(named(""), ErrorKind::invalid_argument), "invalid name: name is empty");
    EXPECT_EQ(refusal(named("  "), ErrorKind::invalid_argument), "invalid name: name is empty");
    refusal(named("a/b"), ErrorKind::invalid_argument);
    refusal(named("a\nb"), ErrorKind::invalid_argument);
    EXPECT_EQ(refusal(named("bridge"), ErrorKind::forbidden),
              "operation is not permitted on predefined bridge network ");
    EXPECT_EQ(plan(named("my net.work_1-x")).record.name, "my net.work_1-x");
}

TEST_F(CreateRulesTest, KnowsItsDrivers) {
    NetworkCreateRequest request = named("x");
    request.Driver = "weave";
    EXPECT_EQ(refusal(request, ErrorKind::not_found), "plugin \"weave\" not found");
    request.Driver = "host";
    EXPECT_EQ(refusal(request, ErrorKind::forbidden), "only one instance of \"host\" network is allowed");
    request.Driver = "null";
    EXPECT_EQ(refusal(request, ErrorKind::forbidden), "only one instance of \"null\" network is allowed");
    request.Driver = "overlay";
    refusal(request, ErrorKind::forbidden);
    request.Driver = "macvlan";
    request.Options = spec::api::StringMap{{"parent", "eth0.10"}, {"macvlan_mode", "private"}};
    EXPECT_EQ(plan(request).record.interface, "eth0.10");
    request.Options = spec::api::StringMap{{"macvlan_mode", "l2"}};
    EXPECT_EQ(refusal(request, ErrorKind::invalid_argument),
              "requested macvlan mode 'l2' is not valid, 'bridge' mode is the macvlan driver default");
    request.Options = spec::api::StringMap{{"parent", "lo"}};
    EXPECT_EQ(refusal(request, ErrorKind::invalid_argument),
              "loopback interface is not a valid macvlan parent link");
}

TEST_F(CreateRulesTest, TakesSubnetsAsTheyWereNamed) {
    NetworkCreateRequest request = with_pool({.Subnet = "10.9.0.0/16",
                                              .IPRange = "10.9.8.0/24",
                                              .Gateway = "10.9.0.254",
                                              .AuxiliaryAddresses = {{"router", "10.9.0.2"}}});
    request.IPAM->Config->push_back({.Subnet = "10.8.0.0/24"});
    request.IPAM->Config->push_back({.Subnet = "fd00:9::/64"});
    request.EnableIPv6 = true;
    NetworkPlan made = plan(request);
    EXPECT_FALSE(made.needs_v4);
    EXPECT_FALSE(made.needs_v6);
    ASSERT_EQ(made.record.subnets.size(), 3U);
    EXPECT_EQ(made.record.subnets[0].gateway->text(), "10.9.0.254");
    EXPECT_EQ(made.record.subnets[0].range->text(), "10.9.8.0/24");
    EXPECT_EQ(made.record.subnets[1].gateway->text(), "10.8.0.1");
    EXPECT_EQ(made.record.subnets[2].gateway->text(), "fd00:9::1");
    EXPECT_TRUE(made.record.subnets[2].is_configured);
}

TEST_F(CreateRulesTest, TellsAllThatIsWrongWithSubnets) {
    EXPECT_EQ(refusal(with_pool({.Subnet = "10.9"}), ErrorKind::invalid_argument),
              "invalid network config:\ninvalid subnet 10.9: invalid CIDR block notation");
    EXPECT_EQ(refusal(with_pool({.Subnet = "10.9.0.1/16"}), ErrorKind::invalid_argument),
              "invalid network config:\ninvalid subnet 10.9.0.1/16: it should be 10.9.0.0/16");
    EXPECT_EQ(
        refusal(with_pool({.Subnet = "10.9.0.0/16", .Gateway = "10.8.0.1"}), ErrorKind::invalid_argument),
        "invalid network config:\ninvalid gateway 10.8.0.1: parent subnet 10.9.0.0/16 doesn't contain "
        "this address");
    EXPECT_EQ(refusal(with_pool({.Subnet = "10.9.0.0/16", .IPRange = "10.0.0.0/8", .Gateway = "fd00::1"}),
                      ErrorKind::invalid_argument),
              "invalid network config:\n* invalid ip-range 10.0.0.0/8: CIDR block is bigger than its parent "
              "subnet 10.9.0.0/16\n* invalid gateway fd00::1: parent subnet is an IPv4 block");
    EXPECT_EQ(refusal(with_pool({.Subnet = "10.9.0.0/16", .AuxiliaryAddresses = {{"a", "x"}}}),
                      ErrorKind::invalid_argument),
              "invalid network config:\ninvalid auxiliary address a: invalid address");
}

TEST_F(CreateRulesTest, RefusesSubnetsThatOverlapEachOther) {
    NetworkCreateRequest request = with_pool({.Subnet = "10.9.0.0/16"});
    request.IPAM->Config->push_back({.Subnet = "10.9.1.0/24"});
    EXPECT_EQ(refusal(request, ErrorKind::forbidden),
              "invalid pool request: Pool overlaps with other one on this address space");
}

TEST_F(CreateRulesTest, LeavesOutSubnetsOfAFamilyThatIsOff) {
    NetworkCreateRequest request = with_pool({.Subnet = "fd00:9::/64"});
    NetworkPlan made = plan(request);
    EXPECT_TRUE(made.record.subnets.empty());
    EXPECT_NE(made.warning, "");
    request.EnableIPv4 = false;
    request.EnableIPv6 = true;
    made = plan(request);
    EXPECT_EQ(made.record.subnets.size(), 1U);
    EXPECT_FALSE(made.needs_v4);
    request.EnableIPv6 = false;
    EXPECT_EQ(refusal(request, ErrorKind::invalid_argument), "IPv4 or IPv6 must be enabled");
}

TEST_F(CreateRulesTest, AppliesTheDaemonsDefaultOptions) {
    defaults["bridge"] = {{"com.docker.network.driver.mtu", "1400"},
                          {"com.docker.network.enable_ipv6", "true"}};
    NetworkPlan made = plan(named("lan"));
    EXPECT_EQ(made.record.mtu(), 1400);
    EXPECT_TRUE(made.record.enable_v6);
    made = plan(with_option("com.docker.network.driver.mtu", "1300"));
    EXPECT_EQ(made.record.mtu(), 1300);
    NetworkCreateRequest without = named("lan");
    without.EnableIPv6 = false;
    made = plan(without);
    EXPECT_FALSE(made.record.enable_v6);
    EXPECT_FALSE(made.record.options.contains("com.docker.network.enable_ipv6"));
}

TEST_F(CreateRulesTest, RefusesOptionsThatCannotBe) {
    EXPECT_EQ(
        refusal(with_option("com.docker.network.bridge.enable_icc", "maybe"), ErrorKind::invalid_argument),
        "failed to parse com.docker.network.bridge.enable_icc value: maybe (strconv.ParseBool: parsing "
        "\"maybe\": invalid syntax)");
    refusal(with_option("com.docker.network.driver.mtu", "x"), ErrorKind::invalid_argument);
    refusal(with_option("com.docker.network.driver.mtu", "-1"), ErrorKind::invalid_argument);
    refusal(with_option("com.docker.network.bridge.host_binding_ipv4", "here"), ErrorKind::invalid_argument);
    refusal(with_option("com.docker.network.bridge.gateway_mode_ipv4", "odd"), ErrorKind::invalid_argument);
    refusal(with_option("com.docker.network.bridge.name", "a name"), ErrorKind::invalid_argument);
    refusal(with_option("com.docker.network.bridge.name", "sixteen-letters-"), ErrorKind::invalid_argument);
    refusal(with_option("com.docker.network.bridge.gateway_mode_ipv4", "isolated"),
            ErrorKind::invalid_argument);
    EXPECT_EQ(plan(with_option("com.docker.network.bridge.name", "mybr0")).record.interface, "mybr0");
}

TEST_F(CreateRulesTest, AnIsolatedNetworkHasNoGateway) {
    NetworkCreateRequest request = with_pool({.Subnet = "10.9.0.0/16"});
    request.Internal = true;
    EXPECT_EQ(plan(request).record.subnets[0].gateway->text(), "10.9.0.1");
    request.Options = spec::api::StringMap{{"com.docker.network.bridge.gateway_mode_ipv4", "isolated"}};
    EXPECT_FALSE(plan(request).record.subnets[0].gateway);
    request.Driver = "macvlan";
    request.Options.reset();
    EXPECT_FALSE(plan(request).record.subnets[0].gateway);
}

TEST_F(CreateRulesTest, TakesTheFormOfAConfiguration) {
    NetworkCreateRequest form = with_pool({.Subnet = "10.9.0.0/16"});
    form.Name = "form";
    form.ConfigOnly = true;
    form.Labels = spec::api::StringMap{{"a", "b"}};
    configuration = plan(form).record;
    EXPECT_EQ(configuration.driver, "null");
    EXPECT_TRUE(configuration.is_config_only);

    NetworkCreateRequest request = named("lan");
    request.ConfigFrom = {.Network = "form"};
    request.Internal = true;
    NetworkPlan made = plan(request);
    EXPECT_EQ(made.record.subnets.at(0).subnet.text(), "10.9.0.0/16");
    EXPECT_EQ(made.record.subnets.at(0).gateway->text(), "10.9.0.1");
    EXPECT_EQ(made.record.labels.at("a"), "b");
    EXPECT_EQ(made.record.config_from, "form");
    EXPECT_TRUE(made.record.is_internal);
    EXPECT_FALSE(made.record.is_config_only);

    request.Labels = spec::api::StringMap{{"c", "d"}};
    EXPECT_EQ(refusal(request, ErrorKind::forbidden),
              "user specified configurations are not supported if the network depends on a configuration "
              "network");
    request.Labels.reset();
    request.ConfigFrom->Network = "other";
    EXPECT_EQ(refusal(request, ErrorKind::not_found), "configuration network \"other\" does not exist");
    form.Internal = true;
    refusal(form, ErrorKind::forbidden);
}

TEST_F(CreateRulesTest, FindsConflictsWithOthers) {
    NetworkRecord other = plan(with_pool({.Subnet = "10.9.0.0/16"})).record;
    other.id = "1";
    other.interface = "br-1";
    NetworkRecord mine = plan(with_pool({.Subnet = "10.8.0.0/16"})).record;
    mine.id = "2";
    mine.interface = "br-2";
    check_conflicts(mine, {&other});
    mine.interface = "br-1";
    EXPECT_THROW(check_conflicts(mine, {&other}), Error);
    mine.interface = "br-2";
    mine.subnets[0].subnet = *net::Prefix::parse("10.9.3.0/24");
    EXPECT_THROW(check_conflicts(mine, {&other}), Error);
    other.is_config_only = true;
    check_conflicts(mine, {&other});
}

TEST_F(CreateRulesTest, MacvlanNetworksShareAParent) {
    NetworkRecord other, mine;
    other.id = "1";
    mine.id = "2";
    other.driver = mine.driver = "macvlan";
    other.interface = mine.interface = "eth0";
    check_conflicts(mine, {&other});
    mine.options["macvlan_mode"] = "passthru";
    EXPECT_THROW(check_conflicts(mine, {&other}), Error);
    mine.options.clear();
    mine.driver = "ipvlan";
    EXPECT_THROW(check_conflicts(mine, {&other}), Error);
}

TEST_F(CreateRulesTest, TheGatewayIsNoAuxiliaryAddress) {
    EXPECT_EQ(plan(with_pool({.Subnet = "10.9.0.0/16", .AuxiliaryAddresses = {{"a", "10.9.0.1"}}}))
                  .record.subnets[0]
                  .gateway->text(),
              "10.9.0.2");
    EXPECT_EQ(plan(with_pool({.Subnet = "10.9.0.0/31"})).record.subnets[0].gateway->text(), "10.9.0.0");
}

}  // namespace
}  // namespace berth::engine
