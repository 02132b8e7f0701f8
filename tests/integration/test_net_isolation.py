# SPDX-License-Identifier: Apache-2.0
"""Who reaches whom, with packets: bridges, internal networks, networks without inter-container traffic, the host's network,
none, another container's, macvlan and ipvlan; and how the outside sees containers."""

import json
import socket

import pytest
from support import answers, daemon
from support.netlab import (FAR, FAR6, FAR_LINK, HOST, HOST6, HOST6_OUT, HOST_OUT, NEAR, NEAR6, Datagrams, Server, reaches,
                            wait_until)
from support.netlab_fixtures import bridge_filter, lab, module_lab  # noqa: F401

SLEEP = ("sleep", "1000")
OPTION = "com.docker.network.bridge"
V6 = ("--ipv6", "--subnet", "fd00:a::/64")


def reached(host, address: str, port: int = 80) -> bool:
    with host.inside():
        return reaches(address, port)


# --- bridges -------------------------------------------------------------------------------------------------------


def test_containers_of_one_bridge_reach_each_other(lab, bridge_filter):
    for net in ("bridge", lab.network(*V6)):
        web, client = lab.run("--network", net), lab.run("--network", net, command=SLEEP)
        assert client.ask(web.address()).client == client.address()
        if net != "bridge":
            assert client.ask(web.address6()).client == client.address6()


def test_containers_of_different_bridges_do_not(lab, bridge_filter):
    one, two = lab.network(*V6), lab.network("--ipv6", "--subnet", "fd00:b::/64")
    web = lab.run("--network", one, "-p", "8080:80", command=("answer", "tcp:80", "udp:81"))
    for net in (two, "bridge"):
        other = lab.run("--network", net, command=SLEEP)
        assert not other.reaches(web.address()), net
        with Datagrams(other, web.address(), 81) as client:
            assert client.ask() is None
        if net != "bridge":
            assert not other.reaches(web.address6())
        # The host's address is the way.
        assert other.ask(HOST, 8080).server == web.short
    both = lab.run("--network", one, "--network", two, command=SLEEP)
    assert both.ask(web.address()).server == web.short
    lab.daemon.out("network", "disconnect", one, both.name)
    assert not both.reaches(web.address())
    lab.daemon.out("network", "connect", one, both.name)
    assert both.ask(web.address()).server == web.short


def test_isolation_is_there_after_a_kill(lab):
    one, two = lab.network(), lab.network()
    web, same = lab.run("--network", one), lab.run("--network", one, command=SLEEP)
    other = lab.run("--network", two, command=SLEEP)
    address = web.address()
    for change in (lab.daemon.kill, lab.daemon.start):
        change()
        assert same.ask(address).server == web.short
        assert not other.reaches(address)


def test_the_hosts_services_are_reached(lab):
    """The host's own firewall decides about them."""
    inside = lab.run("--network", lab.network(*V6), command=SLEEP)
    with Server(lab.host, "tcp:7000"):
        for address in (inside.endpoint()["Gateway"], HOST, HOST_OUT, inside.endpoint()["IPv6Gateway"], HOST6):
            answer = inside.ask(address, 7000)
            assert answer.client == (inside.address6() if ":" in address else inside.address())
        assert not inside.reaches("127.0.0.1", 7000)
    # And the host reaches containers.
    web = lab.run()
    with lab.host.inside():
        assert answers.ask(web.address(), 80).client == web.endpoint()["Gateway"]


# --- without inter-container traffic -------------------------------------------------------------------------------


def test_without_inter_container_traffic(lab, bridge_filter):
    net = lab.network("-o", f"{OPTION}.enable_icc=false", *V6)
    web, other = (lab.run("--network", net, "-p", f"{port}:80") for port in (8080, 8081))
    assert not other.reaches(web.address()) and not web.reaches(other.address())
    assert not other.reaches(web.address6())
    # Published ports, the host and the outside are reached.
    assert other.ask(HOST, 8080).server == web.short
    assert other.ask(HOST, 8081).server == other.short
    with Server(lab.far, "tcp:80"):
        assert web.ask(FAR).client == HOST_OUT
    with lab.host.inside():
        assert answers.ask(web.address(), 80).server == web.short
    with lab.near.inside():
        assert answers.ask(HOST, 8080).client == NEAR


def test_links_on_a_default_bridge_without_inter_container_traffic(lab, bridge_filter):
    made = lab.new_daemon("--icc=false")
    web = lab.run("--expose", "80", "--hostname", "web", on=made, command=("answer", "tcp:80", "tcp:81"))
    linked = lab.run("--link", f"{web.name}:db", command=SLEEP, on=made)
    other = lab.run(command=SLEEP, on=made)
    assert linked.ask(web.address()).client == linked.address()
    assert not linked.reaches(web.address(), 81)
    assert not other.reaches(web.address())
    assert f"{web.address()}\tdb" in made.out("exec", linked.name, "cat", "/etc/hosts")
    made.restart(9)
    assert linked.ask(web.address()).server == "web" and not other.reaches(web.address())
    made.out("rm", "-f", linked.name)
    other_linked = lab.run("--link", f"{web.name}:db", command=SLEEP, on=made)
    assert other_linked.ask(web.address()).server == "web"


# --- internal networks ---------------------------------------------------------------------------------------------


def test_an_internal_network_has_no_way_out_or_in(lab):
    net = lab.network("--internal", *V6)
    web, client = lab.run("--network", net, "-p", "8080:80"), lab.run("--network", net, command=SLEEP)
    bridge = lab.run(command=SLEEP)
    assert client.ask(web.address()).server == client.ask(web.address6()).server == web.short
    assert "default" not in client.enter("ip", "route") and "default" not in client.enter("ip", "-6", "route")
    [subnet] = [one["Subnet"] for one in lab.daemon.get(f"/networks/{net}").json["IPAM"]["Config"] if ":" not in one["Subnet"]]
    gateway = subnet.replace(".0/", ".1/").split("/")[0]
    with Server(lab.far, "tcp:80"), Server(lab.host, "tcp:7000"), lab.route(lab.near, subnet, "via", HOST):
        # Not even for who makes himself a route.
        client.enter("ip", "route", "add", "default", "via", gateway)
        client.enter("ip", "-6", "route", "add", "default", "via", "fd00:a::1")
        assert not client.reaches(FAR) and not client.reaches(FAR6)
        assert not client.reaches(bridge.address()) and not bridge.reaches(web.address())
        assert not client.reaches(HOST, 7000), "of the host only the bridge's address is there"
        assert client.ask(gateway, 7000).client == client.address()
        assert not reached(lab.near, web.address()) and not reached(lab.near, HOST, 8080)
    with lab.host.inside():
        assert answers.ask(web.address(), 80).server == web.short


def test_one_foot_in_an_internal_network(lab):
    inner, outer = lab.network("--internal"), lab.network()
    database = lab.run("--network", inner)
    web = lab.run("--network", inner, "--network", outer, "-p", "8080:80")
    with Server(lab.far, "tcp:80"):
        assert web.ask(FAR).client == HOST_OUT
    assert web.ask(database.address()).server == database.short
    with lab.near.inside():
        assert answers.ask(HOST, 8080).client == NEAR


# --- the outside ---------------------------------------------------------------------------------------------------


def test_the_outside_sees_the_host(lab):
    net = lab.network(*V6)
    bridged, named = lab.run(command=SLEEP), lab.run("--network", net, command=SLEEP)
    with Server(lab.far, "tcp:80", "udp:81"), Server(lab.near, "tcp:80"):
        for client in (bridged, named):
            assert client.ask(FAR).client == HOST_OUT
            assert client.ask(NEAR).client == HOST
            with Datagrams(client, FAR_LINK, 81) as datagrams:
                assert datagrams.ask(5).client == HOST_OUT
        assert named.ask(FAR6).client == HOST6_OUT
        assert named.ask(NEAR6).client == HOST6


def test_without_masquerade_it_sees_the_container(lab):
    net = lab.network("-o", f"{OPTION}.enable_ip_masquerade=false", "--subnet", "10.77.0.0/24")
    client = lab.run("--network", net, command=SLEEP)
    with Server(lab.far, "tcp:80"), lab.route(lab.far, "10.77.0.0/24", "via", HOST_OUT):
        assert client.ask(FAR).client == client.address()


def test_direct_routing_is_for_networks_that_allow_it(lab):
    closed = lab.network("--subnet", "10.77.0.0/24")
    routed = lab.network("--subnet", "10.77.1.0/24", "-o", f"{OPTION}.gateway_mode_ipv4=routed")
    unprotected = lab.network("--subnet", "10.77.2.0/24", "-o", f"{OPTION}.gateway_mode_ipv4=nat-unprotected")
    trusting = lab.network("--subnet", "10.77.3.0/24", "-o", f"{OPTION}.trusted_host_interfaces=lan")
    servers = {net: lab.run("--network", net, "-p", "80", command=("answer", "tcp:80", "tcp:81"))
               for net in (closed, routed, unprotected, trusting)}
    # Where it is allowed, what is published is open; all ports are where nothing is protected.
    wanted = {("near", closed): [], ("near", routed): [80], ("near", unprotected): [80, 81], ("near", trusting): [80],
              ("far", closed): [], ("far", routed): [80], ("far", unprotected): [80, 81], ("far", trusting): []}
    addresses = {net: server.address() for net, server in servers.items()}

    def open_ports(host, net):
        return [port for port in (80, 81) if reached(getattr(lab, host), addresses[net], port)]

    with lab.route(lab.near, "10.77.0.0/16", "via", HOST), lab.route(lab.far, "10.77.0.0/16", "via", HOST_OUT):
        found = dict(zip(wanted, daemon.in_threads([lambda one=one: open_ports(*one) for one in wanted])))
        with lab.near.inside():
            assert answers.ask(servers[unprotected].address(), 81).client == NEAR
        # Routed containers are known by their own addresses.
        with Server(lab.far, "tcp:80"):
            assert servers[routed].ask(FAR).client == servers[routed].address()
            assert servers[unprotected].ask(FAR).client == HOST_OUT
    assert found == wanted


def test_routed_networks_have_no_ports_on_the_host(lab):
    net = lab.network("--subnet", "10.77.1.0/24", "-o", f"{OPTION}.gateway_mode_ipv4=routed")
    lab.run("--network", net, "-p", "8080:80")
    assert not reached(lab.near, HOST, 8080)


# --- the other kinds -----------------------------------------------------------------------------------------------


def test_the_hosts_network(lab):
    web = lab.run("--network", "host", command=("answer", "tcp:8080"))
    with lab.near.inside():
        assert answers.ask(HOST, 8080).client == NEAR
    with lab.host.inside():
        assert answers.ask("127.0.0.1", 8080).client == "127.0.0.1"
    assert "lan" in web.enter("ip", "link")


def test_no_network(lab):
    none = lab.run("--network", "none", command=("answer", "tcp:80"))
    assert [link["ifname"] for link in json.loads(none.enter("ip", "-j", "link"))] == ["lo"]
    assert none.enter("ip", "route").strip() == ""
    assert none.ask("127.0.0.1").server == none.short
    assert not none.reaches(HOST)


def test_another_containers_network(lab):
    web = lab.run("-p", "8080:81", command=("answer", "tcp:80"))
    guest = lab.run("--network", f"container:{web.name}", command=("answer", "tcp:81"))
    assert guest.ask("127.0.0.1", 80).server == web.ask("127.0.0.1", 81).server == web.short
    with lab.near.inside():
        assert answers.ask(HOST, 8080).client == NEAR
    lab.daemon.restart(9)
    assert guest.ask("127.0.0.1", 80).server == web.short
    # Who started again has another namespace; the guest is told by its own restart.
    lab.daemon.out("restart", "-t", "0", web.name, guest.name)
    with lab.near.inside():
        answers.wait_for_answer(HOST, 8080)


# --- macvlan and ipvlan --------------------------------------------------------------------------------------------


def lan_network(lab, driver: str, *flags) -> str:
    """On the cable to `near`."""
    return lab.network("-d", driver, "-o", "parent=lan", "--subnet", "192.0.2.0/24", "--ip-range", "192.0.2.128/28",
                       "--gateway", NEAR, *flags)


def has_kind(lab, kind: str) -> str:
    """Why not, if not."""
    done = lab.host.run("sh", "-c", f"ip link add probe link lan type {kind} 2>&1 && ip link del probe", check=False)
    return done.strip()


@pytest.mark.parametrize("driver", ["macvlan", "ipvlan"])
def test_containers_on_the_cable(lab, driver):
    if reason := has_kind(lab, driver):
        pytest.skip(f"this kernel has no {driver}: {reason}")
    net = lan_network(lab, driver)
    web = lab.run("--network", net)
    other = lab.run("--network", net, "--ip", "192.0.2.140", command=SLEEP)
    assert web.address() == "192.0.2.128" and other.address() == "192.0.2.140"
    with lab.near.inside():
        assert answers.ask(web.address(), 80).client == NEAR
    with Server(lab.near, "tcp:80"):
        assert other.ask(NEAR).client == other.address()
    assert other.ask(web.address()).client == other.address()
    assert other.ask(web.address(), 80).server == web.short
    # By design of the kernel the host itself is not reached.
    assert not reached(lab.host, web.address())
    # Names are those of any user-defined network.
    assert web.short in lab.daemon.out("exec", other.name, "wget", "-q", "-O", "-", f"http://{web.name}/")
    lab.daemon.restart(9)
    with lab.near.inside():
        assert answers.ask(web.address(), 80).server == web.short
    lab.daemon.out("network", "disconnect", net, other.name)
    lab.daemon.out("network", "connect", "bridge", other.name)
    lab.daemon.out("network", "connect", net, other.name)
    assert other.ask(web.address()).server == web.short


def test_an_internal_macvlan(lab):
    if reason := has_kind(lab, "macvlan"):
        pytest.skip(f"this kernel has no macvlan: {reason}")
    net = lab.network("-d", "macvlan", "--internal", "-o", "parent=lan", "--subnet", "10.78.0.0/24")
    web, client = lab.run("--network", net), lab.run("--network", net, command=SLEEP)
    assert client.ask(web.address()).server == web.short
    assert "default" not in client.enter("ip", "route")


def test_a_vlan_of_its_own(lab):
    if reason := has_kind(lab, "vlan id 4000"):
        pytest.skip(f"this kernel has no VLANs: {reason}")
    net = lab.network("-d", "macvlan", "-o", "parent=lan.77", "--subnet", "10.78.1.0/24")
    web = lab.run("--network", net)
    near = lab.near
    near.run("ip", "link", "add", "eth0.77", "link", "eth0", "type", "vlan", "id", "77")
    try:
        near.run("ip", "address", "add", "10.78.1.200/24", "dev", "eth0.77")
        near.run("ip", "link", "set", "eth0.77", "up")
        with near.inside():
            assert answers.ask(web.address(), 80).client == "10.78.1.200"
    finally:
        near.run("ip", "link", "del", "eth0.77")
    assert "lan.77" in lab.links()
    lab.daemon.out("rm", "-f", web.name)
    lab.daemon.out("network", "rm", net)
    wait_until(lambda: "lan.77" not in lab.links())


# --- statistics and MAC addresses ----------------------------------------------------------------------------------


def test_statistics_count_what_was_sent(lab):
    net = lab.network()
    web = lab.run()
    lab.daemon.out("network", "connect", net, web.name)
    before = lab.daemon.get(f"/containers/{web.name}/stats?stream=0&one-shot=1").json["networks"]
    assert set(before) == {"eth0", "eth1"}
    with lab.host.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(10):
            sock.sendto(b"x" * 1000, (web.address(net), 9))
    after = lab.daemon.get(f"/containers/{web.name}/stats?stream=0&one-shot=1").json["networks"]
    assert after["eth1"]["rx_packets"] - before["eth1"]["rx_packets"] >= 10
    assert after["eth1"]["rx_bytes"] - before["eth1"]["rx_bytes"] >= 10_000


def test_a_mac_address_of_the_users_choice(lab):
    net = lab.network()
    web = lab.run("--network", f"name={net},mac-address=02:42:ac:11:00:99")
    with lab.host.inside():
        assert answers.ask(web.address(), 80).server == web.short
    assert "02:42:ac:11:00:99" in lab.host.run("ip", "neighbour", "show", web.address())
