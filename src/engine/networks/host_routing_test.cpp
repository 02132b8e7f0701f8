// SPDX-License-Identifier: Apache-2.0
// What the host does for containers alone, and only behind the firewall's rules.
#include "engine/networks/host_routing.h"

#include "engine/networks/networks_fixture.h"

namespace berth::engine {
namespace {

using net::Family;
using spec::api::NetworkCreateRequest;
using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(NetworksTest, LoopbackIsLedToBridgesBehindRulesAlone) {
    std::string one = create(request("lan"))->interface;
    auto loopback = [](const std::string& bridge) {
        return setting("ipv4/conf/" + bridge + "/route_localnet");
    };
    EXPECT_EQ(loopback(one), "1");
    EXPECT_EQ(loopback(networks->default_bridge()->interface), "1");
    // As where Firewall::start failed.
    run(networks->open(false));
    EXPECT_EQ(loopback(one), "0");
    EXPECT_EQ(loopback(create(request("two"))->interface), "0");
    run(networks->open(true));
    EXPECT_EQ(loopback(one), "1");
    config.network.iptables = false;
    reopen();
    EXPECT_EQ(loopback(one), "0");
    EXPECT_EQ(loopback(create(request("three"))->interface), "0");
}

TEST_F(NetworksTest, TheHostRoutesForUsAloneWhereItDidNotBefore) {
    auto closed = [this] { return networks->rules().closed; };
    // As after a boot.
    auto boot = [this](const char* v4, const char* v6) {
        close();
        sys::remove_tree_at(AT_FDCWD, config.exec_root);
        sys::make_dirs(config.exec_root, 0700);
        sys::write_kernel_file("/proc/sys/net/ipv4/ip_forward", v4);
        sys::write_kernel_file("/proc/sys/net/ipv6/conf/all/forwarding", v6);
        open();
    };
    boot("0", "0");
    EXPECT_THAT(closed(), ElementsAre(Family::v4));
    EXPECT_EQ(setting("ipv4/ip_forward"), "1");
    EXPECT_EQ(setting("ipv6/conf/all/forwarding"), "0") << "nobody needs it";
    NetworkCreateRequest wanted = request("lan");
    wanted.EnableIPv6 = true;
    create(std::move(wanted));
    EXPECT_THAT(closed(), ElementsAre(Family::v4, Family::v6));
    EXPECT_EQ(setting("ipv6/conf/all/forwarding"), "1");
    reopen();
    EXPECT_THAT(closed(), ElementsAre(Family::v4, Family::v6)) << "it is remembered";
    config.network.ip_forward_no_drop = true;
    reopen();
    EXPECT_THAT(closed(), IsEmpty());
    config.network.ip_forward_no_drop = false;
    boot("1", "1");
    EXPECT_THAT(closed(), IsEmpty()) << "the host was a router before";
    UniqueFd folder = sys::open_file(config.exec_root, O_RDONLY | O_DIRECTORY);
    sys::write_file_atomic_at(folder.get(), "routing", "another-boot\nipv4\n");
    reopen();
    EXPECT_THAT(closed(), IsEmpty()) << "of another boot";
    config.network.ip_forward = false;
    boot("0", "0");
    EXPECT_THAT(closed(), IsEmpty());
    EXPECT_EQ(setting("ipv4/ip_forward"), "0");
}

TEST_F(NetworksTest, NobodyIsOnABridgeWithoutRules) {
    net::FirewallChange odd;
    odd.separated = {"\"; flush ruleset; \""};
    EXPECT_NE(refusal([&] { run(firewall->start(odd)); }, ErrorKind::invalid_argument), "");
    EXPECT_THAT(refusal([&] { networks->take_addresses(*networks->default_bridge(), {}, {}); },
                        ErrorKind::unavailable),
                testing::HasSubstr("can't be the name of an interface"));
    run(firewall->start(networks->rules()));
    EXPECT_TRUE(networks->take_addresses(*networks->default_bridge(), {}, {}).v4);
}

TEST_F(NetworksTest, WithoutRulesTheHostBecomesNoRouter) {
    close();
    sys::write_kernel_file("/proc/sys/net/ipv4/ip_forward", "0");
    open();
    run(networks->open(false));
    sys::write_kernel_file("/proc/sys/net/ipv4/ip_forward", "0");
    run(networks->open(false));
    EXPECT_EQ(setting("ipv4/ip_forward"), "0");
    run(networks->open(true));
    EXPECT_EQ(setting("ipv4/ip_forward"), "1");
}

}  // namespace
}  // namespace berth::engine
