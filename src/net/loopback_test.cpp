// SPDX-License-Identifier: Apache-2.0
#include "net/link.h"
#include "net/namespace_fixture.h"

namespace berth::net {
namespace {

class LoopbackTest : public NamespaceTest {};

TEST_F(LoopbackTest, LoopbackIsLedToABridgeWhereThatIsAskedFor) {
    BridgeSpec spec{.name = "berth-t"};
    ensure_bridge(spec);
    auto setting = [] { return sysctl("ipv4/conf/berth-t/route_localnet"); };
    route_loopback("berth-t", true);
    EXPECT_EQ(setting(), "1");
    ensure_bridge(spec);
    EXPECT_EQ(setting(), "1") << "nothing is said of it";
    spec.routes_loopback = false;
    ensure_bridge(spec);
    EXPECT_EQ(setting(), "0");
    spec.routes_loopback = true;
    ensure_bridge(spec);
    route_loopback("berth-t", false);
    EXPECT_EQ(setting(), "0");
    route_loopback("nothing", true);
}

}  // namespace
}  // namespace berth::net
