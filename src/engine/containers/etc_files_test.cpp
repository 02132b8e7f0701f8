// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/etc_files.h"

#include <gmock/gmock.h>

#include "engine/containers/views.h"

namespace berth::engine {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(EtcFilesTest, HostsHasLocalhostExtraHostsAndItself) {
    ContainerRecord record;
    record.config.Hostname = "web";
    record.config.Domainname = "example.org";
    record.host_config.ExtraHosts = {"db:10.0.0.2", "v6:::1", "b=[fd00::2]", "gate:host-gateway"};
    DaemonConfig daemon;
    daemon.network.host_gateway_ips = {"172.17.0.1"};
    std::string text =
        hosts_text(record, daemon, {.addresses = {"10.0.0.3"}, .links = {{"10.0.0.4", "db 1234"}}}, "");
    for (const char* line : {"127.0.0.1\tlocalhost\n", "10.0.0.2\tdb\n", "::1\tv6\n", "fd00::2\tb\n",
                             "172.17.0.1\tgate\n", "10.0.0.4\tdb 1234\n", "10.0.0.3\tweb.example.org web\n"})
        EXPECT_THAT(text, HasSubstr(line));
    record.host_config.NetworkMode = "host";
    text = hosts_text(record, daemon, {}, "127.0.0.1 machine");
    EXPECT_THAT(text, HasSubstr("127.0.0.1 machine\n10.0.0.2\tdb\n"));
    EXPECT_THAT(text, Not(HasSubstr("ip6-allnodes")));
}

TEST(EtcFilesTest, ResolvConfIsTheHostsWithWhatIsSet) {
    constexpr std::string_view kHost =
        "# made by x\nnameserver 127.0.0.53\nnameserver 10.0.0.1\nsearch a.org b.org\noptions edns0\n";
    ContainerRecord record;
    DaemonConfig daemon;
    EXPECT_EQ(resolv_conf_text(record, daemon, {}, kHost),
              "nameserver 10.0.0.1\nsearch a.org b.org\noptions edns0\n");
    daemon.network.dns = {"1.1.1.1"};
    record.host_config.DnsSearch = {"."};
    EXPECT_EQ(resolv_conf_text(record, daemon, {}, kHost), "nameserver 1.1.1.1\noptions edns0\n");
    record.host_config.Dns = {"9.9.9.9"};
    record.host_config.DnsOptions = {"ndots:2"};
    EXPECT_EQ(resolv_conf_text(record, daemon, {}, kHost), "nameserver 9.9.9.9\noptions ndots:2\n");
    EXPECT_EQ(resolv_conf_text(record, daemon, {.asks_us = true}, kHost),
              "nameserver 127.0.0.11\noptions ndots:2\n");
    record = {};
    daemon = {};
    EXPECT_EQ(resolv_conf_text(record, daemon, {.asks_us = true}, kHost),
              "nameserver 127.0.0.11\nsearch a.org b.org\noptions edns0 ndots:0\n");
    record.host_config.NetworkMode = "host";
    EXPECT_EQ(resolv_conf_text(record, daemon, {}, kHost), kHost);
}

TEST(TopTest, KeepsTheLinesOfItsProcesses) {
    constexpr std::string_view kOutput =
        "UID          PID    PPID CMD\n"
        "root           1       0 /sbin/init splash\n"
        "root          42       1 sleep 10 000\n"
        "root           -       - -\n"
        "root          43       1 other\n";
    spec::api::TopResponse top = select_processes(kOutput, {42});
    EXPECT_EQ(top.Titles, (spec::api::Strings{"UID", "PID", "PPID", "CMD"}));
    EXPECT_EQ(top.Processes, (std::vector<spec::api::Strings>{{"root", "42", "1", "sleep 10 000"},
                                                              {"root", "-", "-", "-"}}));
    EXPECT_THROW(select_processes("UID CMD\nroot x\n", {42}), Error);
}

}  // namespace
}  // namespace berth::engine
